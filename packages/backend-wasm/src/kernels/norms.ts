import type { KernelConfig } from '@tensorflow/tfjs-core'
import type { WasmEngine } from '../engine/backend.ts'
import { type Inputs, kernel, rowsOf, type TensorInfo } from './kernel.ts'

type Forward = { eps: number; forGradient: boolean }

const forward = (rms: boolean) => (engine: WasmEngine, inputs: Inputs, attrs: Forward) => {
  const { x, weight, bias } = inputs
  const rows = rowsOf(x!.shape)
  const y = engine.empty(x!.shape)
  const mean = attrs.forGradient && !rms ? engine.empty([rows]) : undefined
  const rstd = attrs.forGradient ? engine.empty([rows]) : undefined
  const { run, context } = engine.kernels
  run.norm_forward!(
    ...[context, ...[x, weight, bias, y, mean, rstd].map((t) => engine.at(t))],
    ...[rows, x!.shape.at(-1)!, attrs.eps, rms ? 1 : 0],
  )
  return [y, mean, rstd].filter((t) => t !== undefined)
}

const gradient =
  (rms: boolean) =>
  (engine: WasmEngine, inputs: Inputs, { needs }: { needs: string[] }) => {
    const { x, weight, mean, rstd, d_y } = inputs
    const rows = rowsOf(x!.shape)
    const C = x!.shape.at(-1)!
    const grads = needs.map((name): TensorInfo => engine.empty(name === 'x' ? x!.shape : [C]))
    const of = (name: string) => engine.at(grads[needs.indexOf(name)])
    const { run, context, threads } = engine.kernels
    const parameters = needs.includes('weight') || needs.includes('bias')
    const partials = parameters ? engine.allocate(threads * 2 * C * 4) : 0
    run.norm_gradient!(
      ...[context, engine.at(x), engine.at(weight), engine.at(mean), engine.at(rstd), engine.at(d_y)],
      ...[of('x'), of('weight'), of('bias'), partials, rows, C, rms ? 1 : 0],
    )
    if (parameters) engine.free(partials)
    return grads
  }

export const norms: KernelConfig[] = [
  kernel('FilatureLayerNorm', forward(false)),
  kernel('FilatureLayerNormGrad', gradient(false)),
  kernel('FilatureRMSNorm', forward(true)),
  kernel('FilatureRMSNormGrad', gradient(true)),
]
