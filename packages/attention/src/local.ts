import {
  abs,
  broadcastTo,
  ConfigError,
  cast,
  exp,
  expandDims,
  full,
  lessEqual,
  linear,
  matMul,
  mul,
  notEqual,
  Parameter,
  range,
  reshape,
  sigmoid,
  square,
  sub,
  sum,
  type Tensor2D,
  type Tensor3D,
  tanh,
  torchUniform,
} from '@filature/tensor'
import { ContextAttention, type ContextInputs, maskedSoftmax, overQueries } from './context.ts'
import { keptByAll } from './masks.ts'
import type { Score } from './scores.ts'

/**
 * Luong's local attention (2015, section 3.2): a window of D positions on each side of p_t.
 * 'monotonic' has p_t = t; 'predictive' has p_t = S sigmoid(v_p . tanh(W_p h_t)), S the number of kept positions, and
 * weighs the pattern by a Gaussian of deviation D / 2 around it, through which p_t learns.
 *
 * Positions count from 0. Taps: `scores` (B, T, S), `position` (B, T), `align` (the softmax) and `pattern` (B, T, S).
 */
export class LocalAttention extends ContextAttention {
  static override readonly taps = ['scores', 'position', 'align', 'pattern']
  readonly score: Score
  readonly W_p: Parameter | undefined
  readonly v_p: Parameter | undefined
  readonly window: number

  /** `predictive`: the width of the queries and of the hidden layer that predicts the position. */
  constructor(
    score: Score,
    { window, predictive }: { window: number; predictive?: { query: number; hidden: number } | undefined },
  ) {
    super()
    if (!(window > 0)) {
      throw new ConfigError('local-window', `LocalAttention: wanted a window of more than 0 positions, got ${window}.`)
    }
    this.score = score
    this.window = window
    if (predictive) {
      this.W_p = new Parameter([predictive.hidden, predictive.query], torchUniform())
      this.v_p = new Parameter([predictive.hidden], torchUniform())
    }
  }

  forward(query: Tensor3D, memory: Tensor3D, inputs: ContextInputs = {}): Tensor3D {
    const [B, S] = memory.shape
    const keep = inputs.keep && (cast(notEqual(cast(inputs.keep, 'int32'), 0), 'float32') as Tensor2D)
    const position = this.tap('position', this.positions(query, keep ?? full([B, S], 1), inputs.start ?? 0)) // (B, T)
    // s - p_t
    const places: Tensor3D = reshape(range(0, S, 1, 'float32'), [1, 1, S])
    const offset = sub(broadcastTo(places, [B, query.shape[1], S]), expandDims(position, 2))
    const inWindow = lessEqual(abs(offset), this.window)
    const align = maskedSoftmax(this.scores(query, memory, inputs), keptByAll(inWindow, overQueries(keep)))
    const seen = this.tap('align', align)
    return matMul(this.tap('pattern', this.W_p ? mul(seen, this.gaussian(offset)) : seen), memory)
  }

  /** p_t, (B, T) */
  private positions(query: Tensor3D, keep: Tensor2D, start: number): Tensor2D {
    const [B, T] = query.shape
    if (!this.W_p || !this.v_p) {
      return broadcastTo(expandDims(range(start, start + T, 1, 'float32')), [B, T])
    }
    const hidden = tanh(linear(query, this.W_p.value)) // (B, T, P)
    const share: Tensor2D = reshape(linear(hidden, reshape(this.v_p.value, [1, this.v_p.size])), [B, T])
    return mul(sigmoid(share), sum(keep, 1, true))
  }

  private gaussian(offset: Tensor3D): Tensor3D {
    const deviation = this.window / 2
    return exp(mul(square(offset), -1 / (2 * deviation * deviation)))
  }
}
