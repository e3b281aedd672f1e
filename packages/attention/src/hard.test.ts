import {
  argMax,
  init,
  matMul,
  mul,
  oneHot,
  Rng,
  type Scalar,
  softmax,
  sum,
  type Tensor,
  type Tensor3D,
  tensor,
  tidy,
  training,
  valueAndGrads,
  valueAndGradsOf,
} from '@filature/tensor'
import { expectClose, randomTensor } from '@filature/testing'
import { expect, it } from 'vitest'
import { HardAttention, MovingBaseline, scoreFunctionLoss } from './hard.ts'
import { DotScore, GeneralScore } from './scores.ts'

const query = () => randomTensor('query', [1, 2, 3]) as Tensor3D
const memory = () => randomTensor('memory', [1, 4, 3]) as Tensor3D
const REWARD = [0.3, -1, 2, 0.5]

it('takes the most likely position at evaluation, among the kept ones', async () => {
  const attention = new HardAttention(new DotScore())
  const scores = matMul(query(), memory(), { transposeB: true })
  const best = argMax(scores)
  await expectClose(attention.forward(query(), memory()), matMul(oneHot(best, 4) as Tensor3D, memory()))
  const keep = tensor([0, 1, 0, 0], [1, 4], 'int32') as never
  await expectClose(
    attention.forward(query(), memory(), { keep }),
    matMul(
      tensor([
        [
          [0, 1, 0, 0],
          [0, 1, 0, 0],
        ],
      ]),
      memory(),
    ),
  )
})

it('draws positions as often as the softmax says, and the same ones from the same seed', async () => {
  const attention = new HardAttention(new DotScore())
  const many = randomTensor('query', [1, 1, 3]).tile([1, 20000, 1]) as Tensor3D
  const sample = (seed: number) =>
    tidy(() => training(attention, new Rng(seed), () => attention.sample(many, eye(), {}).context))
  const eye = () =>
    tensor([
      [
        [1, 0, 0],
        [0, 1, 0],
        [0, 0, 1],
      ],
    ]) as Tensor3D
  const share = sample(1).mean(1)
  await expectClose(share, softmax(randomTensor('query', [1, 3])), { atol: 0.015 })
  await expectClose(sample(1), sample(1))
  expect(sample(1).sub(sample(2)).abs().sum().dataSync()[0]).toBeGreaterThan(100)
})

it('the score-function estimator is the gradient of the expected reward, with any baseline', async () => {
  const attention = init(new HardAttention(new GeneralScore({ query: 3, memory: 3 })), new Rng(5))
  const score = attention.score as GeneralScore
  const rewards = tensor(REWARD, [1, 4, 1]) as Tensor3D
  // expected reward over all choices, exactly
  const exact = valueAndGradsOf(() => {
    const p = softmax(matMul(query(), score.project(memory()), { transposeB: true }))
    return mul(sum<Scalar>(matMul(p, rewards)), -1 / 2)
  }, [score.W_general.value]).grads[0]!
  const repeated = (x: Tensor3D) => x.tile([3000, 1, 1]) as Tensor3D
  const estimate = (baseline: number | Tensor): Tensor =>
    tidy(() => {
      const q = repeated(query())
      const m = repeated(memory())
      const run = () =>
        training(attention, new Rng(9), () => {
          const chosen = attention.sample(q, m)
          // the reward of the chosen position
          const scores = matMul(q, attention.project(m), { transposeB: true })
          expect(scores.shape).toEqual([3000, 2, 4])
          const probabilities = softmax(scores)
          const index = nearest(chosen.logProb, probabilities)
          return scoreFunctionLoss(chosen, index, { baseline })
        })
      return valueAndGrads(attention, run).grads.get('score.W_general')!
    })
  for (const baseline of [0, 0.7]) await expectClose(estimate(baseline), exact, { atol: 0.03, rtol: 0 })

  /** Reward of each row's choice, told by its probability. */
  function nearest(logProb: Tensor, probabilities: Tensor): Tensor {
    const [lp, p] = [logProb.dataSync(), probabilities.dataSync()]
    return tensor(
      Float32Array.from(lp, (value, row) => {
        const errors = REWARD.map((_, j) => Math.abs(p[row * 4 + j]! - Math.exp(value)))
        return REWARD[errors.indexOf(Math.min(...errors))]!
      }),
      logProb.shape,
    )
  }
})

it('rewards undecided choices by their entropy', async () => {
  const attention = new HardAttention(new DotScore())
  const flat = tensor(new Float32Array(6), [1, 2, 3]) as Tensor3D
  const { entropy } = attention.sample(flat, memory())
  await expectClose(entropy, [[Math.log(4), Math.log(4)]])
  const loss = scoreFunctionLoss(attention.sample(flat, memory()), tensor([[0, 0]]), { entropyWeight: 0.5 })
  await expectClose(loss, -0.5 * Math.log(4))
})

it('averages rewards', () => {
  const baseline = new MovingBaseline(0.9)
  baseline.update(2)
  expect(baseline.value).toBe(2)
  baseline.update(1)
  expect(baseline.value).toBeCloseTo(1.9, 12)
})
