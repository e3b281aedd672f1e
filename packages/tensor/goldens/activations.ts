import type { Golden } from '@filature/goldens'
import type { Tensor1D } from '@filature/tensor'
import * as ops from '@filature/tensor'

type Activation = (x: Tensor1D) => Tensor1D

const byName: Record<string, Activation> = {
  relu: ops.relu,
  gelu_erf: ops.gelu,
  'gelu_tanh(torch)': ops.geluTanh,
  silu: ops.silu,
  tanh: ops.tanh,
  sigmoid: ops.sigmoid,
  softplus: ops.softplus,
  elu: ops.elu,
  selu: ops.selu,
  hardtanh: ops.hardtanh,
  log_sigmoid: ops.logSigmoid,
  mish: ops.mish,
  relu6: ops.relu6,
}

/** The function of an output's name: one of torch's, `leaky_relu_<slope>`, or `hf.<hidden_act of a config.json>`. */
function activationOf(name: string): Activation {
  if (name.startsWith('hf.')) return ops.activationNamed(name.slice('hf.'.length))
  const slope = /^leaky_relu_(.*)$/.exec(name)?.[1]
  if (slope) return (x) => ops.leakyRelu(x, Number(slope))
  const found = byName[name]
  if (!found) throw new Error(`ops_activations: no op for the output '${name}'`)
  return found
}

export function activations(golden: Golden): Record<string, Tensor1D> {
  const x = golden.input<Tensor1D>('x')
  const names = golden.list(/^outputs\.(?!loss$)/).map((name) => name.slice('outputs.'.length))
  return Object.fromEntries(names.map((name) => [name, activationOf(name)(x)]))
}
