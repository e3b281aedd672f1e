import {
  ConfigError,
  cast,
  Linear,
  mul,
  normal,
  reshape,
  type Tensor2D,
  type Tensor3D,
  zerosInit,
} from '@filature/tensor'
import { AttentionModule, joinHeads, splitHeads } from './scaled-dot-product.ts'
import { slidingWindowAttention } from './sliding-window.ts'

export interface LongformerSelfAttentionConfig {
  hidden_size: number
  num_attention_heads: number
  /** Width of the window, both sides together: even. */
  attention_window: number
  initializer_range?: number
}

/**
 * Self-attention of Longformer (Beltagy et al. 2020): a window, plus global tokens that have projections of their own.
 * Padded rows come out zero. x (B, T, C) -> (B, T, C), without an output projection.
 */
export class LongformerSelfAttention extends AttentionModule {
  readonly query: Linear
  readonly key: Linear
  readonly value: Linear
  readonly query_global: Linear
  readonly key_global: Linear
  readonly value_global: Linear
  readonly heads: number
  readonly window: number

  constructor(config: LongformerSelfAttentionConfig) {
    super()
    const { hidden_size: C, num_attention_heads: H, attention_window, initializer_range = 0.02 } = config
    if (C % H !== 0 || attention_window % 2 !== 0 || attention_window <= 0) {
      throw new ConfigError(
        'longformer-config',
        `LongformerSelfAttention: wanted hidden_size a multiple of num_attention_heads and an even attention_window, ` +
          `got ${C}, ${H} and ${attention_window}; check config.json.`,
      )
    }
    const linear = () => new Linear(C, C, { init: normal(initializer_range), biasInit: zerosInit })
    this.query = linear()
    this.key = linear()
    this.value = linear()
    this.query_global = linear()
    this.key_global = linear()
    this.value_global = linear()
    this.heads = H
    this.window = attention_window / 2
  }

  /**
   * @param keep tokens that count, (B, T)
   * @param global positions of the global tokens of each sequence
   */
  forward(
    x: Tensor3D,
    { keep, global }: { keep?: Tensor2D | undefined; global?: readonly (readonly number[])[] | undefined } = {},
  ): Tensor3D {
    const heads = (layer: Linear) => splitHeads(layer.forward(x), this.heads)
    const projected = global?.some((list) => list.length > 0)
      ? { q: heads(this.query_global), k: heads(this.key_global), v: heads(this.value_global) }
      : undefined
    const out = slidingWindowAttention(
      this.tap('q', heads(this.query)),
      this.tap('k', heads(this.key)),
      this.tap('v', heads(this.value)),
      {
        window: this.window,
        keep,
        global: global && { positions: global, projected },
        pattern: this.tapped('pattern') ? (p) => this.tap('pattern', p) : undefined,
      },
    )
    const mixed = joinHeads(this.tap('heads', out))
    return keep ? mul(mixed, reshape(cast(keep, 'float32'), [...keep.shape, 1])) : mixed
  }
}
