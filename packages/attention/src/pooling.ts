import {
  add,
  expandDims,
  linear,
  Module,
  matMul,
  Parameter,
  reshape,
  squeeze,
  type Tensor2D,
  type Tensor3D,
  tanh,
  torchUniform,
  zerosInit,
} from '@filature/tensor'
import { maskedSoftmax, overQueries } from './context.ts'

/** A sequence as one vector, the sum of its rows by softmax weights. x (B, T, C), keep (B, T) -> (B, C) */
export abstract class AttentionPooling extends Module {
  /** `pattern` (B, 1, T) */
  static override readonly taps = ['pattern']

  /** (B, T, C) -> (B, T, 1) */
  protected abstract score(x: Tensor3D): Tensor3D

  forward(x: Tensor3D, keep?: Tensor2D): Tensor2D {
    const [B, T] = x.shape
    const pattern = maskedSoftmax(reshape(this.score(x), [B, 1, T]), overQueries(keep))
    return squeeze<Tensor2D>(matMul(this.tap('pattern', pattern), x), [1])
  }
}

/** Score w . x_t + b. */
export class LinearPooling extends AttentionPooling {
  readonly w: Parameter
  readonly b: Parameter

  constructor(width: number) {
    super()
    this.w = new Parameter([width], torchUniform())
    this.b = new Parameter([], zerosInit)
  }

  protected score(x: Tensor3D): Tensor3D {
    return add(linear(x, expandDims(this.w.value)), this.b.value)
  }
}

/** Score u . tanh(W x_t + c): Yang et al. 2016, equations 5 and 6. */
export class HiddenPooling extends AttentionPooling {
  readonly W: Parameter
  readonly c: Parameter
  readonly u: Parameter

  constructor(width: number, hidden: number) {
    super()
    this.W = new Parameter([hidden, width], torchUniform())
    this.c = new Parameter([hidden], torchUniform(width))
    this.u = new Parameter([hidden], torchUniform())
  }

  protected score(x: Tensor3D): Tensor3D {
    return linear(tanh(linear(x, this.W.value, this.c.value)), expandDims(this.u.value))
  }
}
