import { cpu, init, Linear, Module, Rng, type Tensor, tensor, tidy, useBackend } from '@filature/tensor'
import { expectNoLeak } from '@filature/testing'
import { beforeAll, describe, expect, it } from 'vitest'
import { Adagrad, Adam, type AdamOptions, AdamW, type Optimizer, RMSprop, SGD } from '../index.ts'

class Two extends Module {
  readonly a = new Linear(3, 2)
  readonly b = new Linear(2, 2)
}

const model = (seed = 1) => init(new Two(), new Rng(seed))
const bits = (m: Module & Two) => [m.a.weight, m.a.bias!, m.b.weight, m.b.bias!].map((p) => [...p.value.dataSync()])
const gradients = (step: number) =>
  new Map<string, Tensor>(
    [
      ['a.weight', [2, 3]],
      ['a.bias', [2]],
      ['b.weight', [2, 2]],
    ].map(([path, shape]) => {
      const size = (shape as number[]).reduce((n, d) => n * d, 1)
      const values = new Rng(9)
        .fork(step)
        .fork(path as string)
        .normal(size)
      return [path as string, tensor(Float32Array.from(values), shape as number[])]
    }),
  )
const step = (optimizer: Optimizer, n: number, lr?: number) => tidy(() => optimizer.step(gradients(n), lr))

const kinds: [string, (m: Module) => Optimizer][] = [
  ['SGD', (m) => new SGD(m, { lr: 0.1 })],
  ['SGD with momentum', (m) => new SGD(m, { lr: 0.1, momentum: 0.9, nesterov: true })],
  ['Adagrad', (m) => new Adagrad(m, { lr: 0.1, lrDecay: 0.01 })],
  ['Adam', (m) => new Adam(m, { weightDecay: 0.1, amsgrad: true })],
  ['AdamW', (m) => new AdamW(m)],
  ['RMSprop', (m) => new RMSprop(m, { centered: true, momentum: 0.5 })],
]

beforeAll(async () => {
  await useBackend(cpu())
})

describe.each(kinds)('%s', (_, make) => {
  it('goes on from a stored state bit for bit', () => {
    const [through, again] = [model(), model()]
    const whole = make(through)
    for (let n = 0; n < 6; n++) step(whole, n)

    const first = make(again)
    for (let n = 0; n < 3; n++) step(first, n)
    const second = make(again)
    second.restore(first.state())
    first[Symbol.dispose]()
    for (let n = 3; n < 6; n++) step(second, n)
    expect(bits(again)).toEqual(bits(through))
  })

  it('takes its own state back', () => {
    const [once, twice] = [model(), model()]
    const [plain, restored] = [make(once), make(twice)]
    for (let n = 0; n < 2; n++) for (const optimizer of [plain, restored]) step(optimizer, n)
    restored.restore(restored.state())
    for (const optimizer of [plain, restored]) step(optimizer, 2)
    expect(bits(twice)).toEqual(bits(once))
  })

  it('refuses a rate that is no number before it touches a weight', () => {
    const m = model()
    const before = bits(m)
    expect(() => step(make(m), 0, Number.NaN)).toThrow(expect.objectContaining({ code: 'optimizer-option' }))
    expect(bits(m)).toEqual(before)
  })

  it('leaves a parameter without gradient alone', () => {
    const m = model()
    const before = bits(m)[3]
    const optimizer = make(m)
    for (let n = 0; n < 3; n++) step(optimizer, n)
    expect(bits(m)[3]).toEqual(before)
    expect(bits(m)[0]).not.toEqual(bits(model())[0])
  })

  it('leaks nothing', () =>
    expectNoLeak(() => {
      const m = model()
      const optimizer = make(m)
      for (let n = 0; n < 3; n++) step(optimizer, n)
      optimizer[Symbol.dispose]()
      m[Symbol.dispose]()
    }))
})

it('gives groups their own options, the first that matches', () => {
  const plain = model()
  const grouped = model()
  const groups = [
    { match: '**.bias', lr: 0 },
    { match: (path: string) => path.startsWith('a'), lrScale: 2 },
  ]
  step(new SGD(plain, { lr: 0.1 }), 0)
  const optimizer = new SGD(grouped, { lr: 0.1 }, groups)
  step(optimizer, 0)
  const start = bits(model())
  const [moved, doubled] = [bits(plain), bits(grouped)]
  expect(doubled[1]).toEqual(start[1])
  expect(doubled[2]).toEqual(moved[2])
  moved[0]!.forEach((x, i) => void expect(doubled[0]![i]! - start[0]![i]!).toBeCloseTo(2 * (x - start[0]![i]!), 6))
  expect(optimizer.optionsOf('a.bias').lr).toBe(0)
  expect(() => new SGD(model(), { lr: 0.1 }, [{ match: 'c.**' }])).toThrow(/matches no parameter/)
})

it('takes an option that is undefined for one that is left out', () => {
  const { options } = new AdamW(model(), {
    lr: undefined,
    weightDecay: undefined,
    amsgrad: true,
  } as Partial<AdamOptions>)
  expect(options).toEqual({ ...new AdamW(model()).options, amsgrad: true })
  expect(options).toMatchObject({ lr: 1e-3, weightDecay: 0.01, lrScale: 1 })
})

it('takes the learning rate of a schedule', () => {
  const [own, given] = [model(), model()]
  step(new SGD(own, { lr: 0.3 }), 0)
  step(new SGD(given, { lr: 1 }), 0, 0.3)
  expect(bits(given)).toEqual(bits(own))
})

it('climbs when it maximizes', () => {
  const [down, up] = [model(), model()]
  step(new SGD(down, { lr: 0.1 }), 0)
  step(new SGD(up, { lr: 0.1, maximize: true }), 0)
  const start = bits(model())[0]!
  bits(up)[0]!.forEach((x, i) => void expect(x - start[i]!).toBeCloseTo(start[i]! - bits(down)[0]![i]!, 6))
})

it('refuses what cannot work, and a state that does not fit changes nothing', () => {
  expect(() => new SGD(model(), { lr: -1 })).toThrow(/wanted lr of at least 0/)
  expect(() => new SGD(model(), { lr: 1, nesterov: true })).toThrow(/nesterov wants momentum/)
  expect(() => new Adam(model(), { betas: [0.9, 1] })).toThrow(/betas\[1\]/)
  expect(() => new SGD(model(), {} as { lr: number })).toThrow(/wanted lr of at least 0, got NaN/)
  const unknown = { beta1: 0.8 } as Partial<AdamOptions>
  expect(() => new Adam(model(), unknown)).toThrow(/Adam: there is no option 'beta1'; wanted some of .*betas/)
  expect(() => new Adam(model(), {}, [{ match: '**', ...unknown }])).toThrow(/no option 'beta1'/)
  const m = model()
  const optimizer = new Adam(m)
  expect(() => tidy(() => optimizer.step(new Map([['c', tensor([1])]])))).toThrow(/no parameter 'c'/)
  expect(() => tidy(() => optimizer.step(new Map([['a.bias', tensor([1])]])))).toThrow(/wanted a gradient of \[2\]/)

  step(optimizer, 0)
  const other = new SGD(model(), { lr: 0.1, momentum: 0.9 })
  step(other, 0)
  const before = [...optimizer.state().tensors].map(([name, x]) => [name, [...x.dataSync()]])
  expect(() => optimizer.restore(other.state())).toThrow(
    /a\.weight\.exp_avg: missing[\s\S]*a\.weight\.momentum_buffer: unexpected/,
  )
  expect([...optimizer.state().tensors].map(([name, x]) => [name, [...x.dataSync()]])).toEqual(before)
})

it('Adam wants both betas', () => {
  const betas = [0.9] as unknown as AdamOptions['betas']
  expect(() => new Adam(model(), { betas })).toThrow(/betas\[1\]/)
})
