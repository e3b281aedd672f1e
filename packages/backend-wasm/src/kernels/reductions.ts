import { backend_util, type KernelConfig, util } from '@tensorflow/tfjs-core'
import type { WasmEngine } from '../engine/backend.ts'
import { type Inputs, kernel, sizeOf, type TensorInfo } from './kernel.ts'
import { permute } from './transpose.ts'

/** x summed over `axes` (sorted), without them in the shape; scaled. */
export function sumOver(engine: WasmEngine, x: TensorInfo, axes: readonly number[], scale = 1): TensorInfo {
  const kept = x.shape.flatMap((_, axis) => (axes.includes(axis) ? [] : [axis]))
  const shape = kept.map((axis) => x.shape[axis]!)
  const { run, context } = engine.kernels
  const out = engine.empty(shape)
  const rank = x.shape.length
  const first = axes[0] ?? rank
  const count = sizeOf(axes.map((axis) => x.shape[axis]!))
  const contiguous = axes.every((axis, i) => axis === first + i)
  if (contiguous && first + axes.length === rank) {
    run.sum_columns!(context, engine.at(x), engine.at(out), sizeOf(shape), count, scale)
    return out
  }
  if (contiguous) {
    const outer = sizeOf(x.shape.slice(0, first))
    const inner = sizeOf(x.shape.slice(first + axes.length))
    if (outer === 1) run.sum_rows!(context, engine.at(x), engine.at(out), count, inner)
    else run.sum_middle!(context, engine.at(x), engine.at(out), outer, count, inner)
    if (scale !== 1) run.scale!(context, engine.at(out), engine.at(out), sizeOf(shape), scale)
    return out
  }
  const turned = permute(engine, x, [...kept, ...axes])
  run.sum_columns!(context, engine.at(turned), engine.at(out), sizeOf(shape), count, scale)
  engine.disposeData(turned.dataId)
  return out
}

/** x summed over the axes on which `shape` has 1. */
export function sumTo(engine: WasmEngine, x: TensorInfo, shape: readonly number[]): TensorInfo {
  const axes = shape.flatMap((d, axis) => (d === 1 && x.shape[axis] !== 1 ? [axis] : []))
  const summed = sumOver(engine, x, axes)
  return { ...summed, shape: [...shape] }
}

type ReduceAttrs = { axis: number | number[] | null; keepDims: boolean }

/** Sum and Mean of float32; other types keep the engine's kernel. */
const reduce =
  (mean: boolean) =>
  (engine: WasmEngine, { x }: Inputs, { axis, keepDims }: ReduceAttrs) => {
    const axes = util.parseAxisParam(axis as number | number[], x!.shape).sort((a, b) => a - b)
    const count = sizeOf(axes.map((a) => x!.shape[a]!))
    const out = sumOver(engine, x!, axes, mean ? 1 / count : 1)
    return keepDims ? { ...out, shape: backend_util.expandShapeToKeepDim(out.shape, axes) } : out
  }

export const sum = kernel('Sum', reduce(false))
export const mean = kernel('Mean', reduce(true))
export const reductions: KernelConfig[] = [sum, mean]
