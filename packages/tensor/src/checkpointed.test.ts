import { beforeAll, expect, it } from 'vitest'
import * as tf from '#tfjs'
import { checkpointed } from './checkpointed.ts'
import { type ValueAndGrads, valueAndGrads } from './grads.ts'
import { Dropout } from './layers/dropout.ts'
import { Linear } from './layers/linear.ts'
import { LayerNorm } from './layers/norm.ts'
import { liveMemory, tidy } from './memory.ts'
import { init, Module } from './module.ts'
import { add, square } from './ops/elementwise.ts'
import { sum } from './ops/reduce.ts'
import { Rng } from './rng.ts'
import { training } from './run.ts'
import { observe } from './taps.ts'
import type { Scalar, Tensor2D } from './types.ts'

beforeAll(() => tf.setBackend('cpu'))

// Names that begin like those of the recomputed part's inputs are the names that models have.
class Block extends Module {
  readonly input_layernorm = new LayerNorm(4)
  readonly inputs = new Linear(4, 4)
  readonly unused = new Linear(4, 4)
  readonly drop = new Dropout(0.5)

  forward(x: Tensor2D): Tensor2D {
    return add(x, this.drop.forward(this.tap('branch', this.inputs.forward(this.input_layernorm.forward(x)))))
  }
}

class Stack extends Module {
  readonly blocks = [new Block(), new Block()]

  loss(x: Tensor2D, recompute: boolean): Scalar {
    for (const block of this.blocks) {
      x = recompute ? checkpointed(block, x, (y) => block.forward(y)) : block.forward(x)
    }
    return sum(square(x))
  }
}

const model = init(new Stack(), new Rng(1))
const numbers = ({ value, grads, inputGrads }: ValueAndGrads) => ({
  value: value.dataSync(),
  grads: new Map([...grads].map(([path, g]) => [path, g.dataSync()])),
  inputs: inputGrads.get('x')!.dataSync(),
})

type Run = (fn: () => ValueAndGrads) => ValueAndGrads

const runs: [string, Run][] = [
  ['inference', (fn) => fn()],
  ['training, with the same draws', (fn) => training(model, new Rng(5), fn)],
  ['an edit', (fn) => observe(model, { 'blocks.*.branch': (x) => tf.mul(x, 0.5) }, fn)],
  ['a stand-in', (fn) => model.blocks[1]!.inputs.weight.substitute(tf.ones([4, 4]), fn)],
]

it.each(runs)('gives the same value and gradients, bit for bit: %s', (_, run) => {
  tidy(() => {
    const x = tf.randomNormal([3, 4], 0, 1, 'float32', 3) as Tensor2D
    const of = (recompute: boolean) => numbers(run(() => valueAndGrads(model, () => model.loss(x, recompute), { x })))
    const plain = of(false)
    const again = of(true)
    expect(again.value).toEqual(plain.value)
    expect(again.inputs).toEqual(plain.inputs)
    expect(again.grads).toEqual(plain.grads)
  })
})

it('replays the stand-in also when the walk back begins after it has gone', () => {
  tidy(() => {
    const x = tf.ones([2, 4]) as Tensor2D
    const weight = model.blocks[0]!.inputs.weight
    const half = tf.fill([4, 4], 0.5)
    const of = (recompute: boolean) =>
      numbers(valueAndGrads(model, () => weight.substitute(half, () => model.loss(x, recompute)), { x }))
    expect(of(true).inputs).toEqual(of(false).inputs)
  })
})

it('leaves nothing behind', () => {
  const before = liveMemory()
  tidy(() => {
    const x = tf.ones([2, 4]) as Tensor2D
    training(model, new Rng(2), () => valueAndGrads(model, () => model.loss(x, true), { x }))
  })
  expect(liveMemory()).toEqual(before)
})
