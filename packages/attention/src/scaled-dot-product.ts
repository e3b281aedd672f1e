import {
  type AttentionOptions,
  attention,
  type LayerCache,
  Module,
  mul,
  reshape,
  ShapeError,
  type Tensor,
  type Tensor3D,
  type Tensor4D,
} from '@filature/tensor'
import { cachedAttention } from './cache.ts'

export interface ScaledDotProductOptions extends AttentionOptions {
  /** Factor on each head, (H) or (B, H): 0 silences a head. */
  headMask?: Tensor | undefined
}

/**
 * Scaled dot-product attention (Vaswani et al. 2017, equation 1).
 * q (B, T, H, D), k (B, S, G, D), v (B, S, G, E) -> (B, T, H, E); head h reads key group floor(h / (H / G)).
 * A query that may see no key (all at -inf) gives zeros.
 */
export function scaledDotProduct(
  q: Tensor4D,
  k: Tensor4D,
  v: Tensor4D,
  { headMask, ...options }: ScaledDotProductOptions = {},
): Tensor4D {
  return masked(attention(q, k, v, options), headMask)
}

/** A factor on a head's pattern is a factor on its result. */
const masked = (heads: Tensor4D, headMask: Tensor | undefined): Tensor4D =>
  headMask ? mul(heads, headFactors(headMask, heads)) : heads

/** (H) or (B, H) -> (1 or B, 1, H, 1) */
function headFactors(headMask: Tensor, heads: Tensor4D): Tensor4D {
  const [B, , H] = heads.shape
  const [a, b] = headMask.shape
  if (headMask.rank === 1 && a === H) return reshape(headMask, [1, 1, H, 1])
  if (headMask.rank === 2 && (a === B || a === 1) && b === H) return reshape(headMask, [a, 1, H, 1])
  throw new ShapeError(
    'head-mask-shape',
    `Attention: wanted a head mask of [${H}] or [${B}, ${H}], got [${headMask.shape}].`,
  )
}

/**
 * What every attention of a model shares: the taps `q` (B, T, H, D), `k` and `v` (B, S, G, D), `pattern` (B, H, T, S:
 * the softmax, before dropout) and `heads` (B, T, H, E: each head's result, before the output projection). Only a look
 * at `pattern` costs the (T, S) scores.
 */
export abstract class AttentionModule extends Module {
  static override readonly taps: readonly string[] = ['q', 'k', 'v', 'pattern', 'heads']

  /** With a cache, k and v are those of the new positions, which it takes in; their taps see all of them. */
  protected attend(
    q: Tensor4D,
    k: Tensor4D,
    v: Tensor4D,
    { cache, ...options }: Omit<ScaledDotProductOptions, 'onPattern'> & { cache?: LayerCache | undefined } = {},
  ): Tensor4D {
    const onPattern = this.tapFor<Tensor4D>('pattern')
    const queries = this.tap('q', q)
    if (cache && !onPattern && !this.tapFor('k') && !this.tapFor('v')) {
      const { headMask, ...rest } = options
      return this.tap('heads', masked(cachedAttention(cache, queries, k, v, rest), headMask))
    }
    const all = cache ? cache.append(k, v) : { k, v }
    const heads = scaledDotProduct(queries, this.tap('k', all.k), this.tap('v', all.v), { ...options, onPattern })
    return this.tap('heads', heads)
  }
}

/** (B, T, H * D) -> (B, T, H, D) */
export function splitHeads(x: Tensor, heads: number): Tensor4D {
  const [B, T, C] = x.shape as [number, number, number]
  if (x.rank !== 3 || C % heads !== 0) {
    throw new ShapeError('heads-shape', `splitHeads: wanted (B, T, C) with C a multiple of ${heads}, got [${x.shape}].`)
  }
  return reshape(x, [B, T, heads, C / heads])
}

/** (B, T, H, D) -> (B, T, H * D) */
export function joinHeads(x: Tensor4D): Tensor3D {
  const [B, T, H, D] = x.shape
  return reshape(x, [B, T, H * D])
}
