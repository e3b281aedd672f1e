import { broadcast_util, type TensorInfo } from '@tensorflow/tfjs-core'
import { ACTIVATIONS, type Addon } from '../addon.ts'
import type { NativeBackend } from '../backend.ts'
import { areFloats, Gradients, type Kernels, maybe, output, sizeOf } from './kernel.ts'
import { broadcastSteps } from './walk.ts'

type Run = { backend: NativeBackend; addon: Addon }

/** tfjs' names of fused activations. */
const FUSED: Record<string, number> = { linear: 0, relu: 1, sigmoid: 6 }

/** a (..., M, K) or transposed times b (..., K, N) or transposed, leading axes broadcast, bias (N) added. */
function product(
  { backend, addon }: Run,
  a: TensorInfo,
  b: TensorInfo,
  transposeA: boolean,
  transposeB: boolean,
  bias: TensorInfo | undefined,
  activation: number,
): TensorInfo {
  const rankA = a.shape.length
  const rankB = b.shape.length
  const M = a.shape[transposeA ? rankA - 1 : rankA - 2]!
  const K = a.shape[transposeA ? rankA - 2 : rankA - 1]!
  const N = b.shape[transposeB ? rankB - 2 : rankB - 1]!
  const batchA = a.shape.slice(0, -2)
  const batchB = b.shape.slice(0, -2)
  if (b.shape[transposeB ? rankB - 1 : rankB - 2] !== K) {
    throw new RangeError(
      `BatchMatMul: inner axes differ: [${a.shape}]${transposeA ? ' transposed' : ''} and [${b.shape}]${transposeB ? ' transposed' : ''}`,
    )
  }
  const batch = broadcast_util.assertAndGetBroadcastShape(batchA, batchB)
  const count = sizeOf(batch)
  const { info, values } = output(backend, [...batch, M, N])
  const [x, y] = [backend.floats(a), backend.floats(b)]
  const [aRow, aCol] = transposeA ? [1, M] : [K, 1]
  const [bRow, bCol] = transposeB ? [1, K] : [N, 1]
  const add = maybe(backend, bias)
  if (count === 1 || (sizeOf(batchB) === 1 && !transposeA)) {
    addon.gemm(M * count, N, K, aRow, aCol, bRow, bCol, N, false, activation, x, y, values, add, null)
    return info
  }
  const aOffsets = offsets(batchA, batch, M * K)
  const bOffsets = offsets(batchB, batch, K * N)
  addon.gemmBatched(count, M, N, K, aRow, aCol, bRow, bCol, aOffsets, bOffsets, x, y, values)
  if (add) {
    addon.binary(0, rowWalk(count * M, N), values, add, values)
  }
  if (activation) addon.activation(activation, values.length, values, values)
  return info
}

const row = new Float64Array(25)
/** (rows, columns) with a row added to each. */
function rowWalk(rows: number, columns: number): Float64Array {
  row.set([2, rows, columns], 0)
  row.set([columns, 1], 7)
  row.set([0, 1], 13)
  row.set([columns, 1], 19)
  return row
}

/** Where each matrix of a batch begins. */
function offsets(own: readonly number[], batch: readonly number[], size: number): Float64Array {
  const steps = broadcastSteps(own, batch)
  const count = sizeOf(batch)
  const at = new Float64Array(count)
  for (let i = 0; i < count; i++) {
    let rest = i
    let offset = 0
    for (let axis = batch.length - 1; axis >= 0; axis--) {
      offset += (rest % batch[axis]!) * steps[axis]!
      rest = Math.floor(rest / batch[axis]!)
    }
    at[i] = offset * size
  }
  return at
}

export const dense: Kernels = {
  /** Multiply-adds in registers alone, the ceiling of products; y () is the number of floating-point operations. */
  FilatureMultiplyAdds(_, { rounds }, { backend, addon }) {
    const { info, values } = output(backend, [])
    values[0] = addon.multiplyAdds(rounds)
    return [info]
  },

  BatchMatMul({ a, b }, { transposeA, transposeB }, run) {
    return areFloats(a, b) ? product(run, a!, b!, transposeA, transposeB, undefined, 0) : run.otherwise()
  },

  _FusedMatMul({ a, b, bias, preluActivationWeights }, { transposeA, transposeB, activation = 'linear' }, run) {
    const N = b!.shape[transposeB ? b!.shape.length - 2 : b!.shape.length - 1]!
    const fits = areFloats(a, b, bias) && !preluActivationWeights && activation in FUSED
    if (!fits || (bias && sizeOf(bias.shape) !== N)) return run.otherwise()
    return product(run, a!, b!, transposeA, transposeB, bias, FUSED[activation]!)
  },

  /** y = activation(x weight^T + bias); x (..., I), weight (O, I) */
  FilatureLinear({ x, weight, bias }, { activation, forGradient }, { backend, addon }) {
    const [O, I] = weight!.shape as [number, number]
    const kind = ACTIVATIONS.indexOf(activation)
    const shape = [...x!.shape.slice(0, -1), O]
    const rows = sizeOf(x!.shape.slice(0, -1))
    const y = output(backend, shape)
    const z = forGradient && kind > 0 ? output(backend, shape) : undefined
    const [xs, ws] = [backend.floats(x!), backend.floats(weight!)]
    addon.gemm(rows, O, I, I, 1, 1, I, O, false, kind, xs, ws, y.values, maybe(backend, bias), z?.values ?? null)
    return z ? [y.info, z.info] : [y.info]
  },

  FilatureLinearGrad({ x, weight, bias, z, d_y }, { activation, needs }, { backend, addon }) {
    const [O, I] = weight!.shape as [number, number]
    const rows = sizeOf(x!.shape.slice(0, -1))
    const kind = ACTIVATIONS.indexOf(activation)
    const gradients = new Gradients(backend, needs)
    const [xs, ws, dy] = [backend.floats(x!), backend.floats(weight!), backend.floats(d_y!)]
    const dBias = gradients.of('bias', bias)
    // dz is dy itself where there is no activation
    const dz = kind > 0 ? backend.memoryPool.floats(rows * O) : dy
    if (kind > 0) addon.activationGrad(kind, rows, O, backend.floats(z!), dy, dz, dBias)
    else if (dBias) addon.reduceColumns(0, 1, rows, O, dz, dBias)
    const dx = gradients.of('x', x)
    if (dx) addon.gemm(rows, I, O, O, 1, I, 1, I, false, 0, dz, ws, dx, null, null)
    const dWeight = gradients.of('weight', weight)
    if (dWeight) addon.gemm(O, I, rows, 1, O, I, 1, I, false, 0, dz, xs, dWeight, null, null)
    if (kind > 0) backend.memoryPool.discard(dz)
    return gradients.results
  },
}
