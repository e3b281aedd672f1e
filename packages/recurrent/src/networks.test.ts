import {
  activationGrads,
  add,
  capture,
  cpu,
  init,
  mul,
  narrow,
  observe,
  Rng,
  reshape,
  type Scalar,
  square,
  stateOf,
  sum,
  type Tensor,
  type Tensor3D,
  tensor,
  tidy,
  training,
  useBackend,
  valueAndGrads,
  zerosLike,
} from '@filature/tensor'
import { expectNoLeak } from '@filature/testing'
import { beforeAll, describe, expect, it } from 'vitest'
import { GRU, LSTM, RNN } from './index.ts'

const random = (shape: [number, number, number], seed = 5): Tensor3D =>
  tensor(Float32Array.from(new Rng(seed).normal(shape[0] * shape[1] * shape[2])), shape)
const values = (x: Tensor) => [...x.dataSync()]
const close = (a: Tensor, b: Tensor) => {
  expect(a.shape).toEqual(b.shape)
  const expected = b.dataSync()
  a.dataSync().forEach((x, i) => void expect(x).toBeCloseTo(expected[i]!, 5))
}

type Options = ConstructorParameters<typeof LSTM>[2]
const kinds = {
  RNN: (options?: Options) => init(new RNN(3, 4, options), new Rng(1)),
  'RNN relu': (options?: Options) => init(new RNN(3, 4, { ...options, nonlinearity: 'relu' }), new Rng(1)),
  LSTM: (options?: Options) => init(new LSTM(3, 4, options), new Rng(1)),
  GRU: (options?: Options) => init(new GRU(3, 4, options), new Rng(1)),
}
type Network = ReturnType<(typeof kinds)['RNN' | 'LSTM' | 'GRU']>
const start = (network: Network, B: number) => {
  const L = network.num_layers * network.directions
  return { h: random([L, B, 4], 6), c: random([L, B, 4], 7) }
}
const run = (network: Network, x: Tensor3D, s: { h?: Tensor3D; c?: Tensor3D } = {}, lengths?: number[]) =>
  network instanceof LSTM ? network.forward(x, s, lengths) : network.forward(x, s.h, lengths)

beforeAll(async () => {
  await useBackend(cpu())
})

it("has torch's names and shapes", () => {
  const network = new LSTM(3, 4, { num_layers: 2, bidirectional: true })
  const names = ['weight_ih', 'weight_hh', 'bias_ih', 'bias_hh']
  const keys = ['l0', 'l0_reverse', 'l1', 'l1_reverse'].flatMap((end) => names.map((name) => `${name}_${end}`))
  expect([...stateOf(network).keys()]).toEqual(keys)
  expect(stateOf(network).get('weight_ih_l1_reverse')!.shape).toEqual([16, 8])
  expect([...stateOf(new GRU(3, 4, { bias: false })).keys()]).toEqual(['weight_ih_l0', 'weight_hh_l0'])
})

it('draws its weights as torch does: uniform within 1 / sqrt(H)', () => {
  const network = init(new LSTM(30, 64), new Rng(1))
  const all = [...stateOf(network).values()].flatMap((p) => values(p.value))
  const bound = 1 / Math.sqrt(64)
  const mean = all.reduce((a, x) => a + x, 0) / all.length
  const variance = all.reduce((a, x) => a + (x - mean) ** 2, 0) / all.length
  expect(Math.max(...all.map(Math.abs))).toBeLessThan(bound)
  expect(Math.abs(mean)).toBeLessThan(0.002)
  expect(Math.sqrt(variance)).toBeCloseTo(bound / Math.sqrt(3), 3)
})

describe.each(Object.entries(kinds))('%s', (_, make) => {
  const all: Options = { num_layers: 2, bidirectional: true }

  it('gives padded rows what each row gets alone', () => {
    const network = make(all)
    const x = random([6, 4, 3])
    const s = start(network, 4)
    const lengths = [3, 6, 1, 3]
    const packed = run(network, x, s, lengths)
    lengths.forEach((length, b) => {
      const row = <T extends Tensor3D>(t: T) => narrow(t, 1, b, b + 1)
      const alone = run(network, narrow(row(x), 0, 0, length), { h: row(s.h), c: row(s.c) })
      close(narrow(row(packed.out), 0, 0, length), alone.out)
      close(row(packed.h), alone.h)
      if ('c' in packed) close(row(packed.c as Tensor3D), (alone as typeof packed).c as Tensor3D)
      if (length < 6) expect(values(narrow(row(packed.out), 0, length, 6)).every((v) => v === 0)).toBe(true)
    })
  })

  it('differentiates through padded rows, as through each row alone', () => {
    const network = make({ num_layers: 1, bidirectional: true })
    const x = random([5, 3, 3])
    const lengths = [2, 5, 4]
    const gradients = (fn: () => Scalar) =>
      new Map([...valueAndGrads(network, fn).grads].map(([path, g]) => [path, g.dataSync()]))
    const packed = gradients(() => sum<Scalar>(square(run(network, x, {}, lengths).out)))
    const alone = gradients(() =>
      lengths
        .map((n, b) => sum<Scalar>(square(run(network, narrow(narrow(x, 1, b, b + 1), 0, 0, n)).out)))
        .reduce((a, loss) => add(a, loss)),
    )
    for (const [path, g] of packed) g.forEach((v, i) => void expect(v).toBeCloseTo(alone.get(path)![i]!, 4))
  })

  it('is the same in two parts, the state handed on, and batch first', () => {
    const network = make({ num_layers: 2 })
    const x = random([6, 2, 3])
    const whole = run(network, x)
    const first = run(network, narrow(x, 0, 0, 2))
    const second = run(network, narrow(x, 0, 2, 6), first)
    close(second.out, narrow(whole.out, 0, 2, 6))
    close(second.h, whole.h)
  })

  it('offers every gate to those who look, and is the same then', () => {
    const network = make(all)
    const x = random([3, 2, 3])
    const plain = run(network, x)
    const { taps } = network.constructor as typeof LSTM
    for (const site of taps) {
      using found = capture(network, site, () => run(network, x))
      expect(found.activations.size).toBe(3 * 4) // steps x layers and directions
      for (const a of found.activations.values()) expect(a.shape).toEqual([2, 4])
      close(found.output.out, plain.out)
    }
    using states = capture(network, 'l1_reverse.h', () => run(network, x))
    // backward runs from the end: its last step is time 0
    close(states.activations.get('l1_reverse.h#2')!, reshape(narrow(plain.h, 0, 3, 4), [2, 4]))
  })

  it('is differentiable at a gate', () => {
    const network = make()
    const x = random([3, 2, 3])
    const loss = () => sum<Scalar>(square(run(network, x).out))
    const { grads } = activationGrads(network, 'l0.h', loss)
    const g = grads.get('l0.h#1')!.dataSync()[3]!
    const at = (delta: number) => {
      let n = 0
      const bump = (h: Tensor) => (n++ === 1 ? add(h, tensor([0, 0, 0, delta, 0, 0, 0, 0], [2, 4])) : undefined)
      return observe(network, { 'l0.h': bump }, loss).dataSync()[0]!
    }
    expect((at(0.01) - at(-0.01)) / 0.02).toBeCloseTo(g, 2)
    expect(values(observe(network, { 'l0.h': zerosLike }, () => run(network, x)).out).every((v) => v === 0)).toBe(true)
  })

  it('drops between layers, only while training', () => {
    const network = make({ num_layers: 2, dropout: 0.5 })
    const x = random([4, 2, 3])
    const drawn = (seed: number) => values(training(network, new Rng(seed), () => run(network, x)).out)
    expect(values(run(network, x).out)).toEqual(values(run(network, x).out))
    expect(drawn(1)).toEqual(drawn(1))
    expect(drawn(1)).not.toEqual(drawn(2))
    expect(drawn(1)).not.toEqual(values(run(network, x).out))
  })

  it('leaks nothing', () =>
    expectNoLeak(() => {
      const network = make(all)
      tidy(() => {
        const x = random([4, 3, 3])
        valueAndGrads(network, () => sum<Scalar>(mul(run(network, x, {}, [4, 2, 1]).out, 2)))
      })
      network[Symbol.dispose]()
    }))
})

it('says what does not fit', () => {
  const network = kinds.LSTM({ num_layers: 2 })
  const x = random([4, 2, 3])
  const flat = reshape(random([4, 1, 3]), [4, 3])
  expect(() => network.forward(random([4, 2, 5]))).toThrow(/LSTM: wanted x \(T, B, 3\), got \[4,2,5\]/)
  expect(() => kinds.LSTM({ batch_first: true }).forward(random([4, 2, 5]))).toThrow(/\(B, T, 3\)/)
  expect(() => kinds.LSTM({ batch_first: true }).forward(flat as unknown as Tensor3D)).toThrow(
    /\(B, T, 3\), got \[4,3\]/,
  )
  expect(() => network.forward(x, { h: random([1, 2, 4]) })).toThrow(/wanted the initial h .* \[2,2,4\], got \[1,2,4\]/)
  expect(() => network.forward(x, {}, [4])).toThrow(/wanted 2 whole numbers from 1 to 4/)
  expect(() => network.forward(x, {}, [4, 0])).toThrow(/got \[4,0\]/)
  expect(() => new RNN(0, 4)).toThrow(/wanted input_size/)
  expect(() => new RNN(3, 4, { nonlinearity: 'gelu' as 'relu' })).toThrow(/tanh or relu/)
  expect(() => new GRU(3, 4, { dropout: 2 })).toThrow(/rate from 0 to 1/)
})
