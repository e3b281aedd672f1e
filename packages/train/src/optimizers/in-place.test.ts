import { clone, init, Linear, Rng, scalar, type Tensor, tensor, tidy } from '@filature/tensor'
import { expectNoLeak, forEachBackend } from '@filature/testing'
import { expect, it } from 'vitest'
import { Adagrad, Adam, type Optimizer, RMSprop, SGD } from '../index.ts'

const kinds: [string, (m: Linear) => Optimizer][] = [
  ['SGD', (m) => new SGD(m, { lr: 0.1, momentum: 0.9 })],
  ['Adagrad', (m) => new Adagrad(m)],
  ['Adam', (m) => new Adam(m, { amsgrad: true })],
  ['RMSprop', (m) => new RMSprop(m, { centered: true, momentum: 0.5 })],
]
const model = () => init(new Linear(5, 3), new Rng(1))
const step = (optimizer: Optimizer, n: number, { times = 1, factor }: { times?: number; factor?: number } = {}) =>
  tidy(() => {
    const draws = (path: string, shape: number[]): [string, Tensor] => {
      const size = shape.reduce((a, b) => a * b, 1)
      return [
        path,
        tensor(
          Float32Array.from(new Rng(n).fork(path).normal(size), (x) => times * x),
          shape,
        ),
      ]
    }
    optimizer.step(
      new Map([draws('weight', [3, 5]), draws('bias', [3])]),
      undefined,
      factor === undefined ? factor : scalar(factor),
    )
  })
const bits = async (x: Tensor) => [...(await x.data())]

await forEachBackend(() => {
  it.each(kinds)('%s leaves alone what somebody else holds, and goes on as if nobody did', async (_, make) => {
    await expectNoLeak(async () => {
      const [held, free] = [model(), model()]
      const [one, two] = [make(held), make(free)]
      for (const optimizer of [one, two]) step(optimizer, 1)
      const others = [held.weight.value, ...one.state().tensors.values()].map((x) => clone(x))
      const before = await Promise.all(others.map(bits))
      for (const optimizer of [one, two]) for (let n = 2; n < 5; n++) step(optimizer, n)

      expect(await Promise.all(others.map(bits))).toEqual(before)
      expect(await bits(held.weight.value)).not.toEqual(before[0])
      expect(await bits(held.weight.value)).toEqual(await bits(free.weight.value))
      expect(await bits(held.bias!.value)).toEqual(await bits(free.bias!.value))
      for (const x of others) x.dispose()
      for (const owner of [one, two, held, free]) owner[Symbol.dispose]()
    })
  })

  it.each(kinds)('%s multiplies the gradients by a factor', async (_, make) => {
    const [scaled, by] = [model(), model()]
    const [one, two] = [make(scaled), make(by)]
    for (let n = 1; n < 4; n++) {
      step(one, n, { times: 0.25 })
      step(two, n, { factor: 0.25 })
    }
    const [wanted, got] = [await bits(scaled.weight.value), await bits(by.weight.value)]
    got.forEach((x, i) => void expect(x).toBeCloseTo(wanted[i]!, 6))
    expect(got).not.toEqual(await bits(model().weight.value))
    for (const owner of [one, two, scaled, by]) owner[Symbol.dispose]()
  })
})
