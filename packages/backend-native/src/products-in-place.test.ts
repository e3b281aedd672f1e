import { afterAll, beforeAll, describe, it } from 'vitest'
import { close, numbers, sets } from './__fixtures__/plain.ts'
import { ACTIVATIONS, loadAddon } from './addon.ts'

// Products of some rows with a weight (out, in), which is read where it lies: rows that fill vectors and rows left over,
// weights that leave part of a tile, depths of more than one block.
const shapes = [
  [5, 7, 64],
  [8, 13, 70],
  [9, 96, 33],
  [16, 48, 100],
  [17, 50, 129],
  [24, 25, 1025],
  [31, 12, 2200],
  [37, 200, 90],
  [64, 99, 65],
  [70, 1, 300],
  [96, 110, 96],
  [197, 97, 401],
  [383, 30, 390],
] as const

describe.each(sets())('%s', (instructionSet) => {
  const addon = loadAddon()
  beforeAll(() => {
    addon.isa(instructionSet)
    addon.threads(2)
  })
  afterAll(() => void addon.isa('auto'))

  it.each(shapes)('%i rows by %i columns, %i deep', (M, N, K) => {
    const ldc = N + 3
    const [a, b, bias, before] = [numbers(M * K, 1), numbers(N * K, 2), numbers(N, 3), numbers(M * ldc, 4)]
    const product = new Float64Array(M * N)
    for (let m = 0; m < M; m++)
      for (let n = 0; n < N; n++) for (let k = 0; k < K; k++) product[m * N + n]! += a[m * K + k]! * b[n * K + k]!
    /** What C holds after: between its rows nothing has changed. */
    const wanted = (f: (sum: number, n: number, old: number) => number) =>
      before.map((old, i) => (i % ldc < N ? f(product[Math.floor(i / ldc) * N + (i % ldc)]!, i % ldc, old) : old))
    const run = (accumulate: boolean, activation: number, withBias: boolean, z: Float32Array | null) => {
      const c = before.slice()
      addon.gemm(M, N, K, K, 1, 1, K, ldc, accumulate, activation, a, b, c, withBias ? bias : null, z)
      return c
    }
    close(
      run(false, 0, false, null),
      wanted((sum) => sum),
    )
    close(
      run(true, 0, true, null),
      wanted((sum, n, old) => sum + bias[n]! + old),
    )
    const z = before.slice()
    const relu = ACTIVATIONS.indexOf('relu')
    close(
      run(false, relu, true, z),
      wanted((sum, n) => Math.max(0, sum + bias[n]!)),
    )
    close(
      z,
      wanted((sum, n) => sum + bias[n]!),
    )
  })

  it('with A lying the other way', () => {
    const [M, N, K] = [45, 60, 80]
    const [a, b] = [numbers(K * M, 1), numbers(N * K, 2)]
    const wanted = new Float64Array(M * N)
    for (let m = 0; m < M; m++)
      for (let n = 0; n < N; n++) for (let k = 0; k < K; k++) wanted[m * N + n]! += a[k * M + m]! * b[n * K + k]!
    const c = new Float32Array(M * N)
    addon.gemm(M, N, K, 1, M, 1, K, N, false, 0, a, b, c, null, null)
    close(c, wanted)
  })
})
