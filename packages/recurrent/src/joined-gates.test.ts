import { cpu, type FileTensor, Rng, stateOf, type TensorTable, tensor, useBackend } from '@filature/tensor'
import { expectClose } from '@filature/testing'
import { beforeAll, expect, it } from 'vitest'
import { joinedGates, LSTM } from './index.ts'

const [H, I] = [3, 2]
const numbers = (n: number, seed: number) => Float32Array.from(new Rng(seed).normal(n))
const entry = (shape: number[], data: Float32Array): FileTensor => ({ dtype: 'F32', shape, read: async () => data })

const W = numbers(4 * H * (H + I), 1) // (4 H, H + I): f, i, o, candidate over [h; x]
const b = numbers(4 * H, 2)
const file = (): TensorTable =>
  new Map([
    ['rnn.W_l0', entry([4 * H, H + I], W)],
    ['rnn.b_l0', entry([4 * H], b)],
    ['head.weight', entry([1, H], numbers(H, 3))],
  ])

beforeAll(async () => {
  await useBackend(cpu())
})

const sigmoid = (z: number) => 1 / (1 + Math.exp(-z))

/** The text's equations, one row at a time: f, i, o and C~ from W [h; x] + b; C = f C + i C~; h = o tanh C. */
function byTheText(xs: number[][]): number[][] {
  let h = Array<number>(H).fill(0)
  let C = Array<number>(H).fill(0)
  return xs.map((x) => {
    const joint = [...h, ...x]
    const z = Array.from(b, (bias, row) => bias + joint.reduce((sum, v, j) => sum + W[row * (H + I) + j]! * v, 0))
    const gate = (block: number, k: number) => z[block * H + k]!
    C = C.map((c, k) => sigmoid(gate(0, k)) * c + sigmoid(gate(1, k)) * Math.tanh(gate(3, k)))
    h = C.map((c, k) => sigmoid(gate(2, k)) * Math.tanh(c))
    return h
  })
}

it("one matrix over [h; x] gives in torch's layout what the text's equations give", async () => {
  const table = joinedGates({ hidden_size: H }).toOurs(file())
  expect([...table.keys()]).toEqual([
    ...['weight_ih', 'weight_hh', 'bias_ih', 'bias_hh'].map((name) => `rnn.${name}_l0`),
    'head.weight',
  ])
  const lstm = new LSTM(I, H)
  for (const [name, parameter] of stateOf(lstm)) {
    const stored = table.get(`rnn.${name}`)!
    expect(stored.shape, name).toEqual(parameter.shape)
    ;(parameter as { assign(x: unknown): void }).assign(
      tensor((await stored.read()) as Float32Array, stored.shape as [number]),
    )
  }
  const xs = [
    [1, -2],
    [0.5, 0.25],
    [-1, 3],
  ]
  const { out } = lstm.forward(tensor(xs.flat(), [3, 1, I]))
  await expectClose(
    out,
    [byTheText(xs).flatMap((h) => [h])].flat().map((h) => [h]),
  )
})

it('goes back to the same file, and from ours back to the same function', async () => {
  for (const order of ['fiog', 'ifgo', 'gofi']) {
    for (const columns of ['hx', 'xh'] as const) {
      const dialect = joinedGates({ hidden_size: H, order, columns })
      const back = dialect.toTheirs(dialect.toOurs(file()))
      expect([...back.keys()].sort()).toEqual([...file().keys()].sort())
      expect(await back.get('rnn.W_l0')!.read()).toEqual(W)
      expect(await back.get('rnn.b_l0')!.read()).toEqual(b)
    }
  }
  const dialect = joinedGates({ hidden_size: H })
  const ours = dialect.toOurs(file())
  const both = new Map([
    ...ours,
    [
      'rnn.bias_hh_l0',
      entry(
        [4 * H],
        Float32Array.from(b, () => 1),
      ),
    ] as const,
  ])
  const bias = (await dialect.toTheirs(both).get('rnn.b_l0')!.read()) as Float32Array
  expect([...bias]).toEqual([...b.map((x) => x + 1)])
})

it('refuses what does not fit', () => {
  expect(() => joinedGates({ hidden_size: H, order: 'ffog' })).toThrow(/letters f, i, o and g/)
  expect(() => joinedGates({ hidden_size: H, columns: 'h' as 'hx' })).toThrow(/columns 'hx' or 'xh', got 'h'/)
  expect(() => joinedGates({ hidden_size: 4 }).toOurs(file())).toThrow(/W_l0 \(16, 4 \+ I\)/)
  const half = file()
  half.delete('rnn.b_l0')
  expect(() => joinedGates({ hidden_size: H }).toOurs(half)).toThrow(/got \[12,5\] and none/)
})
