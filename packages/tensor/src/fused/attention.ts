import * as tf from '#tfjs'
import { ConfigError, ShapeError } from '../errors.ts'
import type { Words2 } from '../philox.ts'
import type { Tensor, Tensor4D } from '../types.ts'
import { dropoutMask } from './dropout.ts'
import { type FusedOp, runFused } from './op.ts'

export interface AttentionOptions {
  /** Factor on the scores; 1 / sqrt(D) by default. */
  scale?: number
  /** Query i sees key j only where j <= i + S - T: the last query sees every key. */
  causal?: boolean
  /** Query i sees keys i + S - T - left ... i + S - T + right. */
  window?: readonly [left: number, right: number] | null
  /** Added to the scores; each axis of (B, H, T, S) is full or 1. -inf excludes a key. */
  bias?: Tensor | undefined
  /** Dropout of the pattern. */
  dropout?: { rate: number; key: Words2; counter: Words2 } | null
  /** Reads or replaces the pattern (B, H, T, S) before dropout; the op then holds it instead of fusing it away. */
  onPattern?: ((pattern: Tensor4D) => Tensor4D) | undefined
}

type Inputs = { q: Tensor; k: Tensor; v: Tensor; bias: Tensor | undefined }
type Attributes = Required<Omit<AttentionOptions, 'bias' | 'onPattern'>>

/** 1 where query i may see key j, as a constant (T, S); null where all may. */
function visible(T: number, S: number, causal: boolean, window: Attributes['window']): tf.Tensor2D | null {
  if (!causal && !window) return null
  const offset = tf.sub(tf.range(0, S, 1, 'int32'), tf.expandDims(tf.range(S - T, S, 1, 'int32'), 1)) // j - (i + S - T)
  let see: Tensor = tf.cast(tf.onesLike(offset), 'bool')
  if (causal) see = tf.lessEqual(offset, 0)
  if (window) {
    see = tf.logicalAnd(see, tf.logicalAnd(tf.greaterEqual(offset, -window[0]), tf.lessEqual(offset, window[1])))
  }
  return see as tf.Tensor2D
}

/** The pattern softmax(scale q k^T + bias) over the visible keys, (B, H, T, S); a row with none is zero. */
export function attentionPattern(q: Tensor4D, k: Tensor4D, options: AttentionOptions = {}): Tensor4D {
  const { scale, causal, window } = withDefaults(q, options)
  const [B, T, H, D] = q.shape
  const [, S, G] = k.shape
  // heads of one group share their keys: (B, G, H/G * T, D) against (B, G, S, D)
  const groups = H / G
  const queries = tf.reshape(tf.transpose(tf.reshape(q, [B, T, G, groups, D]), [0, 2, 3, 1, 4]), [B, G, groups * T, D])
  const keys = tf.transpose(k, [0, 2, 1, 3])
  let scores = tf.reshape(tf.mul(tf.matMul(queries, keys, false, true), scale), [B, H, T, S])
  if (options.bias) scores = tf.add(scores, options.bias)
  const see = visible(T, S, causal, window)
  const excluded = tf.equal(scores, Number.NEGATIVE_INFINITY)
  const keepMask = see
    ? tf.logicalAnd(tf.logicalNot(excluded), tf.broadcastTo(see, scores.shape))
    : tf.logicalNot(excluded)
  // the excluded are taken out of maximum and sum, so that an empty row is zero and never NaN
  const finite = tf.where(keepMask, scores, tf.zerosLike(scores)) as Tensor4D
  const top = tf.max(tf.where(keepMask, scores, tf.fill(scores.shape, -3e38)), -1, true)
  const weights = tf.mul(tf.exp(tf.minimum(tf.sub(finite, top), 0)), tf.cast(keepMask, 'float32'))
  const total = tf.sum(weights, -1, true)
  return tf.div(weights, tf.where(tf.equal(total, 0), tf.onesLike(total), total)) as Tensor4D
}

/** pattern (B, H, T, S) times v (B, S, G, E) -> (B, T, H, E) */
export function attend(pattern: Tensor4D, v: Tensor4D): Tensor4D {
  const [B, H, T, S] = pattern.shape
  const [, , G, E] = v.shape
  const rows = tf.reshape(pattern, [B, G, (H / G) * T, S])
  const out = tf.matMul(rows, tf.transpose(v, [0, 2, 1, 3])) // (B, G, H/G * T, E)
  return tf.transpose(tf.reshape(out, [B, H, T, E]), [0, 2, 1, 3]) as Tensor4D
}

const op: FusedOp<Inputs, Attributes> = {
  name: 'Attention',
  outputs: ['out'],
  hidden: ['lse'],
  composed: ({ q, k, v, bias }, { dropout, ...attributes }) => {
    const pattern = attentionPattern(q as Tensor4D, k as Tensor4D, { ...attributes, bias })
    return [attend(dropped(pattern, dropout), v as Tensor4D)]
  },
}

function dropped(pattern: Tensor4D, dropout: Attributes['dropout']): Tensor4D {
  return dropout ? (tf.mul(pattern, dropoutMask(pattern.shape, dropout)) as Tensor4D) : pattern
}

function withDefaults(q: Tensor, options: AttentionOptions): Attributes {
  const { scale = 1 / Math.sqrt(q.shape[3]!), causal = false, window = null, dropout = null } = options
  return { scale, causal, window, dropout }
}

/**
 * Scaled dot-product attention (Vaswani et al. 2017, equation 1) with grouped heads, in one op that need not hold the
 * (T, S) scores. q (B, T, H, D), k (B, S, G, D), v (B, S, G, E) -> (B, T, H, E); head h reads group floor(h / (H / G)).
 */
export function attention(q: Tensor4D, k: Tensor4D, v: Tensor4D, options: AttentionOptions = {}): Tensor4D {
  const [B, T, H, D] = q.shape
  const [Bk, S, G, Dk] = k.shape
  if (Bk !== B || v.shape[0] !== B || v.shape[1] !== S || v.shape[2] !== G || Dk !== D || H % G !== 0) {
    throw new ShapeError(
      'attention-shape',
      'attention: wanted q (B, T, H, D), k (B, S, G, D), v (B, S, G, E) with G a divisor of H; ' +
        `got q [${q.shape}], k [${k.shape}], v [${v.shape}].`,
    )
  }
  const { bias, window } = options
  if (bias && (bias.rank !== 4 || [B, H, T, S].some((d, i) => bias.shape[i] !== d && bias.shape[i] !== 1))) {
    throw new ShapeError(
      'attention-bias',
      `attention: wanted a bias that broadcasts to (B, H, T, S) = [${[B, H, T, S]}], got [${bias.shape}].`,
    )
  }
  if (window && (window[0] < 0 || window[1] < 0)) {
    throw new ConfigError('attention-window', `attention: wanted a window of [left >= 0, right >= 0], got [${window}].`)
  }
  if (options.onPattern) {
    const pattern = options.onPattern(attentionPattern(q, k, options))
    return attend(dropped(pattern, options.dropout ?? null), v)
  }
  return runFused(op, { q, k, v, bias }, withDefaults(q, options))[0] as Tensor4D
}
