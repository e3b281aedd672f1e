import type { KernelConfig } from '@tensorflow/tfjs-core'
import type { WasmEngine } from '../engine/backend.ts'
import { type Inputs, kernel, type TensorInfo } from './kernel.ts'

type Sizes = [B: number, T: number, S: number, A: number]

function sizesOf({ a, b }: Inputs): Sizes {
  const [B, T, A] = a!.shape as [number, number, number]
  return [B, T, b!.shape[1]!, A]
}

function scores(engine: WasmEngine, inputs: Inputs): TensorInfo[] {
  const [B, T, S, A] = sizesOf(inputs)
  const { a, b, v } = inputs
  const y = engine.empty([B, T, S])
  const { run, context } = engine.kernels
  run.additive_scores!(context, engine.at(a), engine.at(b), engine.at(v), engine.at(y), B, T, S, A)
  return [y]
}

function gradient(engine: WasmEngine, inputs: Inputs, { needs }: { needs: string[] }): TensorInfo[] {
  const [B, T, S, A] = sizesOf(inputs)
  const { a, b, v, d_scores } = inputs
  const grads = needs.map((name) => engine.empty(inputs[name]!.shape))
  const of = (name: string) => engine.at(grads[needs.indexOf(name)])
  const parts = needs.includes('v') ? engine.empty([B, A]) : undefined
  const { run, context } = engine.kernels
  const [from, to] = [[a, b, v, d_scores].map((x) => engine.at(x)), [of('a'), of('b'), engine.at(parts)]]
  run.additive_gradient!(context, ...from, ...to, B, T, S, A)
  if (parts) {
    run.sum_rows!(context, engine.at(parts), of('v'), B, A)
    engine.disposeData(parts.dataId)
  }
  return grads
}

export const additives: KernelConfig[] = [
  kernel('FilatureAdditiveScores', scores),
  kernel('FilatureAdditiveScoresGrad', gradient),
]
