import {
  add,
  type Initializer,
  Module,
  matMul,
  normal,
  Parameter,
  reshape,
  type Tensor,
  zerosInit,
} from '@filature/tensor'

/** GPT-2's linear layer, its weight stored (in, out). x W + b: (..., in) -> (..., out) */
export class Conv1D extends Module {
  readonly weight: Parameter
  readonly bias: Parameter

  constructor(inFeatures: number, outFeatures: number, { init = normal(0.02) }: { init?: Initializer } = {}) {
    super()
    this.weight = new Parameter([inFeatures, outFeatures], init)
    this.bias = new Parameter([outFeatures], zerosInit)
  }

  forward<T extends Tensor>(x: T): T {
    const [ins, outs] = this.weight.shape as [number, number]
    const flat = matMul(reshape(x, [-1, ins]), this.weight.value)
    return reshape(add(flat, this.bias.value), [...x.shape.slice(0, -1), outs]) as unknown as T
  }
}
