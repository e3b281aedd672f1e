import { type Tensor2D, type Tensor4D, tidy } from '@filature/tensor'
import { expectClose, forEachBackend, randomTensor } from '@filature/testing'
import { expect, it } from 'vitest'
import { type RelativeKind, relativeBias, relativePositionIndex, relativePositionRows } from './relative.ts'

/** The definition, element by element. */
function naive(q: Tensor4D, k: Tensor4D, table: Tensor2D, kind: RelativeKind, start: number): number[] {
  const [B, T, H, D] = q.shape
  const S = k.shape[1]
  const [qs, ks, es] = [q, k, table].map((x) => x.dataSync()) as [Float32Array, Float32Array, Float32Array]
  const middle = (table.shape[0] - 1) / 2
  const out: number[] = []
  for (let b = 0; b < B; b++)
    for (let h = 0; h < H; h++)
      for (let i = 0; i < T; i++)
        for (let j = 0; j < S; j++) {
          let score = 0
          for (let d = 0; d < D; d++) {
            const e = es[(start + i - j + middle) * D + d]!
            score += qs[((b * T + i) * H + h) * D + d]! * e
            if (kind === 'relative_key_query') score += ks[((b * S + j) * H + h) * D + d]! * e
          }
          out.push(score / Math.sqrt(D))
        }
  return out
}

await forEachBackend(() => {
  for (const kind of ['relative_key', 'relative_key_query'] as const) {
    for (const [T, S, start] of [
      [4, 4, 0],
      [1, 6, 5],
      [3, 6, 3],
      [3, 5, 0],
      [5, 1, 0],
      [1, 1, 0],
    ] as const) {
      it(`${kind} equals its definition, ${T} queries from ${start}, ${S} keys`, async () => {
        const q = randomTensor('q', [2, T, 3, 4]) as Tensor4D
        const k = randomTensor('k', [2, S, 3, 4]) as Tensor4D
        const table = randomTensor('table', [2 * 7 - 1, 4]) as Tensor2D
        const bias = relativeBias(q, k, table, { kind, start })
        expect(bias.shape).toEqual([2, 3, T, S])
        await expectClose(bias, Float32Array.from(naive(q, k, table, kind, start)))
      })
    }
  }

  it('refuses distances that the table does not hold', () => {
    const q = randomTensor('q', [1, 9, 1, 4]) as Tensor4D
    expect(() =>
      tidy(() => relativeBias(q, q, randomTensor('t', [13, 4]) as Tensor2D, { kind: 'relative_key' })),
    ).toThrow(/distances up to 8/)
    expect(() =>
      tidy(() => relativeBias(q, q, randomTensor('t', [18, 4]) as Tensor2D, { kind: 'relative_key' })),
    ).toThrow(/odd number of rows, got \[18,4\]/)
  })
}, ['cpu', 'wasm', 'native'])

it('numbers the pairs of a grid', () => {
  // 1 x 2 grid: rows by column difference -1, 0, 1, then class to patch, patch to class, class to class
  expect(relativePositionRows([1, 2])).toBe(6)
  expect([...relativePositionIndex([1, 2])]).toEqual([5, 3, 3, 4, 1, 0, 4, 2, 1])
  const index = relativePositionIndex([3, 4])
  expect(new Set(index).size).toBe(relativePositionRows([3, 4]))
})
