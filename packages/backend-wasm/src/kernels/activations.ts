import type { KernelConfig } from '@tensorflow/tfjs-core'
import type { WasmEngine } from '../engine/backend.ts'
import { type Inputs, kernel, sizeOf, type TensorInfo } from './kernel.ts'

/** In the order of the codes in kernels/activation.h. */
export const ACTIVATIONS = ['none', 'relu', 'gelu', 'gelu_tanh', 'silu', 'tanh', 'sigmoid', 'quick_gelu'] as const
type Kind = { kind: (typeof ACTIVATIONS)[number] }

/** In the order of the codes in kernels/activation.c. */
const UNARY = ['Erf', 'Exp', 'Tanh', 'Sigmoid', 'Log', 'Sqrt']

function unary(code: number) {
  return (engine: WasmEngine, { x }: Inputs): TensorInfo => {
    const y = engine.empty(x!.shape)
    const { run, context } = engine.kernels
    run.unary!(context, engine.at(x), engine.at(y), code, sizeOf(x!.shape))
    return y
  }
}

function activation(engine: WasmEngine, { x }: Inputs, { kind }: Kind): TensorInfo[] {
  const y = engine.empty(x!.shape)
  const { run, context } = engine.kernels
  run.activation_forward!(context, engine.at(x), engine.at(y), ACTIVATIONS.indexOf(kind), sizeOf(x!.shape))
  return [y]
}

function activationGrad(engine: WasmEngine, { x, d_y }: Inputs, { kind }: Kind): TensorInfo[] {
  const dx = engine.empty(x!.shape)
  const { run, context } = engine.kernels
  const code = ACTIVATIONS.indexOf(kind)
  run.activation_gradient!(context, engine.at(x), engine.at(d_y), engine.at(dx), code, sizeOf(x!.shape))
  return [dx]
}

function swiglu(engine: WasmEngine, { gate, up }: Inputs): TensorInfo[] {
  const y = engine.empty(gate!.shape)
  const { run, context } = engine.kernels
  run.swiglu!(context, engine.at(gate), engine.at(up), engine.at(y), sizeOf(gate!.shape))
  return [y]
}

function swigluGrad(engine: WasmEngine, { gate, up, d_y }: Inputs, { needs }: { needs: string[] }): TensorInfo[] {
  const grads = needs.map(() => engine.empty(gate!.shape))
  const of = (name: string) => engine.at(grads[needs.indexOf(name)])
  const { run, context } = engine.kernels
  const n = sizeOf(gate!.shape)
  run.swiglu_gradient!(context, engine.at(gate), engine.at(up), engine.at(d_y), of('gate'), of('up'), n)
  return grads
}

export const activations: KernelConfig[] = [
  ...UNARY.map((name, code) => kernel(name, unary(code))),
  kernel('FilatureErf', unary(UNARY.indexOf('Erf'))),
  kernel('FilatureActivation', activation),
  kernel('FilatureActivationGrad', activationGrad),
  kernel('FilatureSwiGLU', swiglu),
  kernel('FilatureSwiGLUGrad', swigluGrad),
]
