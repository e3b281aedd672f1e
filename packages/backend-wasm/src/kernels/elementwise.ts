import { ShapeError } from '@filature/tensor'
import { backend_util, getKernel, type KernelConfig, util } from '@tensorflow/tfjs-core'
import type { WasmEngine } from '../engine/backend.ts'
import { type Inputs, kernel, sizeOf, type TensorInfo } from './kernel.ts'

const MAX_RANK = 8

interface Axis {
  size: number
  a: number
  b: number
}

/** Output axes of a broadcast, neighbours with the same pattern joined, and the operands' strides on them. */
function axesOf(shape: number[], a: number[], b: number[]): Axis[] {
  const strides = (own: number[]) => {
    const out = new Array<number>(shape.length).fill(0)
    for (let d = shape.length - 1, k = own.length - 1, step = 1; k >= 0; d--, k--) {
      out[d] = own[k] === 1 ? 0 : step
      step *= own[k]!
    }
    return out
  }
  const [ofA, ofB] = [strides(a), strides(b)]
  const axes: Axis[] = []
  shape.forEach((size, d) => {
    if (size === 1) return
    const before = axes.at(-1)
    const [sa, sb] = [ofA[d]!, ofB[d]!]
    if (before && before.a === sa * size && before.b === sb * size) {
      before.size *= size
      before.a = sa
      before.b = sb
    } else axes.push({ size, a: sa, b: sb })
  })
  return axes.length ? axes : [{ size: 1, a: 0, b: 0 }]
}

/** In the order of the codes in kernels/elementwise.c. */
const BINARY = ['Maximum', 'Minimum']

function binary(code: number) {
  return (engine: WasmEngine, { a, b }: Inputs): TensorInfo => {
    const shape = backend_util.assertAndGetBroadcastShape(a!.shape, b!.shape)
    const out = engine.empty(shape)
    const axes = axesOf(shape, a!.shape, b!.shape)
    const pad = new Array<number>(MAX_RANK - axes.length).fill(0)
    const { kernels } = engine
    const parameters = kernels.write([
      axes.length,
      ...[...axes.map((x) => x.size), ...pad],
      ...[...axes.map((x) => x.a), ...pad],
      ...[...axes.map((x) => x.b), ...pad],
    ])
    const rows = sizeOf(shape) / axes.at(-1)!.size
    if (sizeOf(shape) === 0) return out
    kernels.run.binary!(kernels.context, engine.at(a), engine.at(b), engine.at(out), code, rows, parameters)
    return out
  }
}

type Plain = KernelConfig['kernelFunc']

/** Four-byte elements under a condition of their own shape; the engine's kernel for the rest. */
function select(theirs: Plain): Plain {
  return (call) => {
    const { condition, t, e } = call.inputs as unknown as Record<string, TensorInfo>
    const engine = call.backend as WasmEngine
    if (!util.arraysEqual(condition!.shape, t!.shape) || t!.dtype !== e!.dtype || t!.dtype === 'bool')
      return theirs(call)
    const out = engine.empty(t!.shape, t!.dtype)
    const { run, context } = engine.kernels
    run.choose!(context, engine.at(condition), engine.at(t), engine.at(e), engine.at(out), sizeOf(t!.shape))
    return out
  }
}

/** Rows by id along one axis, without batch axes; the engine's kernel for the rest. */
function gather(theirs: Plain): Plain {
  return (call) => {
    const { x, indices } = call.inputs as unknown as Record<string, TensorInfo>
    const { axis, batchDims } = call.attrs as unknown as { axis: number; batchDims: number }
    if (batchDims !== 0 || x!.dtype === 'bool' || x!.dtype === 'string') return theirs(call)
    const engine = call.backend as WasmEngine
    const at = util.parseAxisParam(axis, x!.shape)[0]!
    const [before, after] = [x!.shape.slice(0, at), x!.shape.slice(at + 1)]
    const out = engine.empty([...before, ...indices!.shape, ...after], x!.dtype)
    const n = x!.shape[at]!
    const count = sizeOf(indices!.shape)
    const { run, context } = engine.kernels
    const addresses = [engine.at(x), engine.at(indices), engine.at(out)]
    const wrong = run.take!(context, ...addresses, sizeOf(before), n, count, sizeOf(after))
    if (wrong === -1) return out
    engine.disposeData(out.dataId)
    const id = engine.typedArrayFromHeap(indices!)[wrong]
    throw new ShapeError('gather-index', `gather: index ${id} at ${wrong} is outside 0..${n - 1} of axis ${at}.`)
  }
}

/** Made where the engine's own kernels still stand under their names: some calls go on to them. */
export function elementwise(): KernelConfig[] {
  const beside = (kernelName: string, wrap: (theirs: Plain) => Plain): KernelConfig => ({
    kernelName,
    backendName: 'wasm',
    kernelFunc: wrap(getKernel(kernelName, 'wasm')!.kernelFunc),
  })
  return [
    ...BINARY.map((name, code) => kernel(name, binary(code))),
    beside('Select', select),
    beside('GatherV2', gather),
  ]
}
