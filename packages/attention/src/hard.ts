import {
  add,
  argMax,
  cast,
  exp,
  frozen,
  full,
  logSoftmax,
  matMul,
  mean,
  mul,
  neg,
  nextDraw,
  notEqual,
  oneHot,
  philoxWords,
  type Scalar,
  sub,
  sum,
  type Tensor,
  type Tensor2D,
  type Tensor3D,
  tensor,
  where,
} from '@filature/tensor'
import { ContextAttention, type ContextInputs, overQueries } from './context.ts'
import { LEAST } from './masks.ts'
import type { Score } from './scores.ts'

export interface HardSample {
  /** (B, T, M) */
  context: Tensor3D
  /** log p of the chosen positions, (B, T); differentiable in the scores. */
  logProb: Tensor2D
  /** Entropy of the choice, (B, T). */
  entropy: Tensor2D
}

/**
 * One position of the memory for each query (Xu et al. 2015, section 4.1): drawn from the softmax while training, the
 * most likely one otherwise. The choice itself has no gradient; `scoreFunctionLoss` trains the scores.
 * Taps: `scores` (B, T, S), `pattern` (the softmax, (B, T, S)), `choice` (one-hot, (B, T, S)).
 */
export class HardAttention extends ContextAttention {
  static override readonly taps = ['scores', 'pattern', 'choice']
  readonly score: Score

  constructor(score: Score) {
    super()
    this.score = score
  }

  forward(query: Tensor3D, memory: Tensor3D, inputs: ContextInputs = {}): Tensor3D {
    return this.sample(query, memory, inputs).context
  }

  sample(query: Tensor3D, memory: Tensor3D, inputs: ContextInputs = {}): HardSample {
    const S = memory.shape[1]
    const keep = overQueries(inputs.keep)
    const scores = this.scores(query, memory, inputs)
    const masked = keep ? where(notEqual(cast(keep, 'int32'), 0), scores, full(scores.shape, LEAST) as Tensor) : scores
    const logp = logSoftmax(masked as Tensor3D)
    const pattern = this.tap('pattern', exp(logp))
    const choice = this.tap(
      'choice',
      frozen(() => oneHot(this.choose(logp), S) as Tensor3D),
    )
    // p log p is 0 where p is: the mask's log p is huge, never infinite
    return {
      context: matMul(choice, memory),
      logProb: sum(mul(logp, choice), 2),
      entropy: neg(sum<Tensor2D>(mul(pattern, logp), 2)),
    }
  }

  /** int32 (B, T) */
  private choose(logp: Tensor3D): Tensor {
    const draw = nextDraw(this)
    if (!draw) return argMax(logp, -1)
    // the greatest of log p + Gumbel noise is a draw from p
    const words = philoxWords(logp.size, draw.key, draw.counter)
    const noise = Float32Array.from(words, (word) => -Math.log(-Math.log((word + 0.5) / 2 ** 32)))
    return argMax(add(logp, tensor(noise, logp.shape)), -1)
  }
}

/**
 * The score-function estimator (Williams 1992): its gradient is the expected gradient of the reward by the scores,
 * negated, so that descent raises the reward. Add it to the task's loss.
 * @param reward (B, T), or broadcastable: log-likelihood of the target, accuracy; taken as a constant
 * @param baseline subtracted from the reward: leaves the expectation and shrinks the variance
 * @param entropyWeight rewards undecided choices (Xu et al. 2015, equation 14)
 */
export function scoreFunctionLoss(
  { logProb, entropy }: Pick<HardSample, 'logProb' | 'entropy'>,
  reward: Tensor,
  { baseline = 0, entropyWeight = 0 }: { baseline?: number | Tensor; entropyWeight?: number } = {},
): Scalar {
  const advantage = frozen(() => sub(reward, baseline))
  const loss = neg(mean<Scalar>(mul(logProb, advantage)))
  return entropyWeight === 0 ? loss : sub(loss, mul(mean<Scalar>(entropy), entropyWeight))
}

/** A baseline for the reward: the moving average 0.9 b + 0.1 r of the rewards seen so far. */
export class MovingBaseline {
  readonly decay: number
  value = 0
  #seen = false

  constructor(decay = 0.9) {
    this.decay = decay
  }

  /** Takes in the mean reward of a step; the first one is taken as it is. */
  update(reward: number): void {
    this.value = this.#seen ? this.decay * this.value + (1 - this.decay) * reward : reward
    this.#seen = true
  }
}
