import { ShapeError } from '@filature/tensor'
import type { KernelConfig } from '@tensorflow/tfjs-core'
import type { WasmEngine } from '../engine/backend.ts'
import { ACTIVATIONS } from './activations.ts'
import { type Inputs, kernel, rowsOf, sizeOf, type TensorInfo } from './kernel.ts'

const TRANSPOSE_A = 1
const TRANSPOSE_B = 2

interface Product {
  transposeA: boolean
  transposeB: boolean
}

/** out (..., M, N) = op(a) op(b); leading dimensions broadcast. */
export function batchMatMul(engine: WasmEngine, a: TensorInfo, b: TensorInfo, { transposeA, transposeB }: Product) {
  const [rows, inner] = a.shape.slice(-2) as [number, number]
  const M = transposeA ? inner : rows
  const K = transposeA ? rows : inner
  const N = transposeB ? b.shape.at(-2)! : b.shape.at(-1)!
  const leadA = a.shape.slice(0, -2)
  const leadB = b.shape.slice(0, -2)
  const lead = broadcast(leadA, leadB)
  const out = engine.empty([...lead, M, N])
  const batch = sizeOf(lead)
  const flags = (transposeA ? TRANSPOSE_A : 0) | (transposeB ? TRANSPOSE_B : 0)
  const run = (one: number, atA: number, atB: number, count: number, strideA: number, strideB: number) =>
    engine.kernels.run.matmul!(
      engine.kernels.context,
      engine.at(a) + 4 * atA * M * K,
      engine.at(b) + 4 * atB * K * N,
      engine.at(out) + 4 * one * M * N,
      M,
      N,
      K,
      count,
      strideA,
      strideB,
      flags,
      0,
      0,
      0,
    )
  const [sizeA, sizeB] = [sizeOf(leadA), sizeOf(leadB)]
  if ((sizeA === batch || sizeA === 1) && (sizeB === batch || sizeB === 1)) {
    if (sizeB === 1 && sizeA === batch && !transposeA) {
      // one right operand for all: the batch is more rows
      engine.kernels.run.matmul!(
        ...[engine.kernels.context, engine.at(a), engine.at(b), engine.at(out)],
        ...[batch * M, N, K, 1, 0, 0, flags, 0, 0, 0],
      )
    } else run(0, 0, 0, batch, sizeA === 1 ? 0 : M * K, sizeB === 1 ? 0 : K * N)
    return out
  }
  const at = indexer(lead, leadA)
  const bt = indexer(lead, leadB)
  for (let one = 0; one < batch; one++) run(one, at(one), bt(one), 1, 0, 0)
  return out
}

function broadcast(a: readonly number[], b: readonly number[]): number[] {
  const rank = Math.max(a.length, b.length)
  return Array.from({ length: rank }, (_, i) => {
    const x = a[i - rank + a.length] ?? 1
    const y = b[i - rank + b.length] ?? 1
    return x === 1 ? y : x
  })
}

/** Which item of an operand belongs to item i of the broadcast batch. */
function indexer(full: readonly number[], own: readonly number[]): (i: number) => number {
  return (i) => {
    let item = 0
    let stride = 1
    for (let d = full.length - 1; d >= 0; d--) {
      const size = own[d - full.length + own.length] ?? 1
      if (size !== 1) item += (i % full[d]!) * stride
      stride *= size
      i = Math.floor(i / full[d]!)
    }
    return item
  }
}

function linear(engine: WasmEngine, { x, weight, bias }: Inputs, { activation, forGradient }: LinearAttrs) {
  const [O, I] = weight!.shape as [number, number]
  const rows = rowsOf(x!.shape)
  const shape = [...x!.shape.slice(0, -1), O]
  const y = engine.empty(shape)
  const z = forGradient && activation !== 'none' ? engine.empty(shape) : undefined
  engine.kernels.run.matmul!(
    ...[engine.kernels.context, engine.at(x), engine.at(weight), engine.at(y), rows, O, I, 1, 0, 0, TRANSPOSE_B],
    ...[engine.at(bias), ACTIVATIONS.indexOf(activation), engine.at(z)],
  )
  return z ? [y, z] : [y]
}

interface LinearAttrs {
  activation: (typeof ACTIVATIONS)[number]
  forGradient: boolean
  needs: string[]
}

function linearGrad(engine: WasmEngine, inputs: Inputs, { activation, needs }: LinearAttrs) {
  const { x, weight, z, d_y } = inputs as Record<string, TensorInfo>
  const { run, context } = engine.kernels
  const [O, I] = weight!.shape as [number, number]
  const rows = rowsOf(x!.shape)
  // d_z (rows, O)
  const own = activation === 'none' ? undefined : engine.empty([rows, O])
  if (own) {
    const kind = ACTIVATIONS.indexOf(activation)
    run.activation_gradient!(context, engine.at(z), engine.at(d_y), engine.at(own), kind, rows * O)
  }
  const dz = engine.at(own ?? d_y)
  const grads: Record<string, () => TensorInfo> = {
    x: () => {
      const dx = engine.empty(x!.shape)
      run.matmul!(context, dz, engine.at(weight), engine.at(dx), rows, I, O, 1, 0, 0, 0, 0, 0, 0)
      return dx
    },
    weight: () => {
      const dw = engine.empty([O, I])
      run.matmul!(context, dz, engine.at(x), engine.at(dw), O, I, rows, 1, 0, 0, TRANSPOSE_A, 0, 0, 0)
      return dw
    },
    bias: () => {
      const db = engine.empty([O])
      run.sum_rows!(context, dz, engine.at(db), rows, O)
      return db
    },
  }
  const out = needs.map((name) => grads[name]!())
  if (own) engine.disposeData(own.dataId)
  return out
}

/** Multiply-adds in registers alone, the ceiling of products; y () is the number of floating-point operations. */
function multiplyAdds(engine: WasmEngine, _: Inputs, { rounds }: { rounds: number }): TensorInfo[] {
  const y = engine.empty([])
  const { run, context } = engine.kernels
  engine.floats(y)[0] = rounds * run.multiply_adds!(context, 1, 2 ** -30, rounds)
  return [y]
}

export const products: KernelConfig[] = [
  kernel('BatchMatMul', (engine, { a, b }, attrs: Product) => {
    if (a!.dtype !== 'float32' || b!.dtype !== 'float32') {
      throw new ShapeError(
        'wasm-matmul',
        `wasm: matMul wants two float32 tensors, got ${a!.dtype} and ${b!.dtype}; cast them.`,
      )
    }
    return batchMatMul(engine, a!, b!, attrs)
  }),
  kernel('FilatureMultiplyAdds', multiplyAdds),
  kernel('FilatureLinear', linear),
  kernel('FilatureLinearGrad', linearGrad),
]
