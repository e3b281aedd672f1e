import { differentiate, erf, gelu, mul, sum, tensor, tidy } from '@filature/tensor'
import { beforeAll, expect, it } from 'vitest'
import { activateBackend } from './backends.ts'
import { randomTensor } from './random.ts'

beforeAll(async () => {
  expect(await activateBackend('float64')).toEqual({ ok: true })
})

it('computes and hands out doubles', () => {
  const y = erf(tensor([0.5]))
  expect(y.dataSync()).toBeInstanceOf(Float64Array)
  expect(y.dataSync()[0]).toBeCloseTo(0.5204998778130465, 15)
})

it('differentiates so that finite differences agree', () => {
  const x = randomTensor('x', [7])
  const f = (shift: number) =>
    tidy(() => sum(mul(gelu(tensor(Array.from(x.dataSync(), (v) => v + shift))), 3)).dataSync()[0]!)
  const { grads } = differentiate(() => sum(mul(gelu(x), 3)), [x])
  const total = sum(grads[0]!).dataSync()[0]!
  expect((f(1e-5) - f(-1e-5)) / 2e-5).toBeCloseTo(total, 8)
})
