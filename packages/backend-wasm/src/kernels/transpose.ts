import type { KernelConfig } from '@tensorflow/tfjs-core'
import type { WasmEngine } from '../engine/backend.ts'
import { type Inputs, kernel, sizeOf, type TensorInfo } from './kernel.ts'

const MAX_RANK = 8

/** x with its axes in the order `perm`; four-byte elements. */
export function permute(engine: WasmEngine, x: TensorInfo, perm: readonly number[]): TensorInfo {
  const shape = perm.map((axis) => x.shape[axis]!)
  const strides = new Array<number>(x.shape.length)
  for (let axis = x.shape.length - 1, step = 1; axis >= 0; axis--) {
    strides[axis] = step
    step *= x.shape[axis]!
  }
  // axes of one element go, neighbours that stay neighbours become one
  const axes: { size: number; stride: number }[] = []
  perm.forEach((axis) => {
    const size = x.shape[axis]!
    const before = axes.at(-1)
    if (size === 1) return
    if (before && before.stride === strides[axis]! * size) {
      before.size *= size
      before.stride = strides[axis]!
    } else axes.push({ size, stride: strides[axis]! })
  })
  if (axes.length <= 1) return { ...engine.view(x, shape) }
  const out = engine.empty(shape, x.dtype)
  const { kernels } = engine
  const pad = new Array<number>(MAX_RANK - axes.length).fill(0)
  const parameters = kernels.write([
    axes.length,
    ...axes.map((a) => a.size),
    ...pad,
    ...axes.map((a) => a.stride),
    ...pad,
  ])
  kernels.run.permute!(kernels.context, engine.at(x), engine.at(out), parameters, sizeOf(shape))
  return out
}

export const transpose = kernel('Transpose', (engine, { x }: Inputs, { perm }: { perm: number[] }) =>
  permute(engine, x!, perm),
)
export const transposes: KernelConfig[] = [transpose]
