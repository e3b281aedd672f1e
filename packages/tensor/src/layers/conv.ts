import { torchUniform } from '../init.ts'
import { Module } from '../module.ts'
import { conv2d, type WindowOptions } from '../ops/conv.ts'
import { Parameter } from '../parameter.ts'
import type { Tensor4D } from '../types.ts'

type Pair = number | readonly [number, number]

/** Convolution with weights (out, in, kh, kw). (B, in, H, W) -> (B, out, H', W') */
export class Conv2d extends Module {
  readonly weight: Parameter
  readonly bias: Parameter | undefined
  readonly options: WindowOptions

  constructor(
    inChannels: number,
    outChannels: number,
    kernel: Pair,
    { bias = true, ...options }: WindowOptions & { bias?: boolean } = {},
  ) {
    super()
    const [kh, kw] = typeof kernel === 'number' ? [kernel, kernel] : kernel
    this.weight = new Parameter([outChannels, inChannels, kh, kw], torchUniform())
    this.bias = bias ? new Parameter([outChannels], torchUniform(inChannels * kh * kw)) : undefined
    this.options = options
  }

  forward(x: Tensor4D): Tensor4D {
    return conv2d(x, this.weight.value as Tensor4D, this.bias?.value, this.options)
  }
}
