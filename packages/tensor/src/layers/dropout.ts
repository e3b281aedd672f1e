import { ConfigError } from '../errors.ts'
import { dropout, dropoutMask } from '../fused/dropout.ts'
import { Module } from '../module.ts'
import { mul } from '../ops/elementwise.ts'
import { nextDraw } from '../scope.ts'
import type { Tensor } from '../types.ts'

function checkRate(who: string, rate: number): number {
  if (!(rate >= 0 && rate <= 1))
    throw new ConfigError('dropout-rate', `${who}: wanted a rate from 0 to 1, got ${rate}.`)
  return rate
}

/** Zeroes elements while training; the identity otherwise. */
export class Dropout extends Module {
  readonly rate: number

  constructor(rate: number) {
    super()
    this.rate = checkRate('Dropout', rate)
  }

  forward<T extends Tensor>(x: T): T {
    const draw = this.draw()
    return draw ? dropout(x, draw) : x
  }

  /** Where the next mask comes from, for a kernel that drops inside itself; null outside training. */
  draw(): { rate: number; key: readonly [number, number]; counter: readonly [number, number] } | null {
    if (this.rate === 0) return null
    const source = nextDraw(this)
    return source && { rate: this.rate, ...source }
  }
}

/** Stochastic depth (Huang et al. 2016): drops a residual branch for whole samples while training. (B, ...) */
export class DropPath extends Module {
  readonly rate: number

  constructor(rate: number) {
    super()
    this.rate = checkRate('DropPath', rate)
  }

  forward<T extends Tensor>(x: T): T {
    if (this.rate === 0) return x
    const source = nextDraw(this)
    if (!source) return x
    return mul(x, dropoutMask([x.shape[0]!, ...x.shape.slice(1).map(() => 1)], { rate: this.rate, ...source }))
  }
}
