import { type TensorInfo, util } from '@tensorflow/tfjs-core'
import { type Addon, REDUCE } from '../addon.ts'
import type { NativeBackend } from '../backend.ts'
import { areFloats, type Kernel, type Kernels, output, sizeOf } from './kernel.ts'
import { packWalk, stepsOf } from './walk.ts'

/** Reduces the given axes of x, ascending; the result has the shape `target`. */
export function reduceAxes(
  backend: NativeBackend,
  addon: Addon,
  op: number,
  x: TensorInfo,
  axes: readonly number[],
  target: number[],
): TensorInfo | undefined {
  const { shape } = x
  // axes of size 1 are neither here nor there
  const reduced = axes.filter((axis) => shape[axis] !== 1)
  const first = reduced[0] ?? shape.length
  const last = reduced[reduced.length - 1] ?? first - 1
  const values = backend.floats(x)
  const between = shape.slice(first, last + 1).every((d, i) => d === 1 || reduced.includes(first + i))
  if (!between) {
    // scattered axes: brought together behind the others first
    const steps = stepsOf(shape)
    const kept = shape.map((_, i) => i).filter((i) => !reduced.includes(i))
    const order = [...kept, ...reduced]
    const moved = order.map((i) => shape[i]!)
    const so = stepsOf(moved)
    const walk = packWalk(order.map((axis, i) => ({ size: shape[axis]!, a: steps[axis]!, b: 0, out: so[i]! })))
    if (!walk) return undefined
    const together = backend.memoryPool.floats(values.length)
    if (values.length) addon.copyWalk(walk, values, together)
    const rows = sizeOf(kept.map((i) => shape[i]!))
    const { info, values: y } = output(backend, target)
    addon.reduceRows(op, rows, sizeOf(reduced.map((i) => shape[i]!)), together, y)
    backend.memoryPool.discard(together)
    return info
  }
  const outer = sizeOf(shape.slice(0, first))
  const middle = sizeOf(shape.slice(first, last + 1))
  const inner = sizeOf(shape.slice(last + 1))
  const { info, values: y } = output(backend, target)
  if (inner === 1) addon.reduceRows(op, outer, middle, values, y)
  else addon.reduceColumns(op, outer, middle, inner, values, y)
  return info
}

function reduction(op: number, named: 'axis' | 'reductionIndices'): Kernel {
  return ({ x }, attrs, { backend, addon, otherwise }) => {
    if (!areFloats(x)) return otherwise()
    const axes = util.parseAxisParam(attrs[named], x!.shape).sort((a, b) => a - b)
    const target = attrs.keepDims
      ? x!.shape.map((d, i) => (axes.includes(i) ? 1 : d))
      : x!.shape.filter((_, i) => !axes.includes(i))
    return reduceAxes(backend, addon, op, x!, axes, target) ?? otherwise()
  }
}

export const reduce: Kernels = {
  /** Over all inputs, whatever their names. */
  FilatureSumOfSquares(inputs, _, { backend, addon }) {
    const { info, values } = output(backend, [])
    let total = 0
    for (const name in inputs) {
      const x = backend.floats(inputs[name]!)
      total += addon.sumSquares(x.length, x)
    }
    values[0] = total
    return info
  },

  Sum: reduction(REDUCE.Sum, 'axis'),
  Mean: reduction(REDUCE.Mean, 'axis'),
  Max: reduction(REDUCE.Max, 'reductionIndices'),
  Min: reduction(REDUCE.Min, 'axis'),
}
