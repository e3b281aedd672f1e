import {
  AttentionModule,
  joinHeads,
  keptHeads,
  prunedLinear,
  type RelativeKind,
  relativeBias,
  splitHeads,
} from '@filature/attention'
import {
  add,
  Dropout,
  Embedding,
  gather,
  type LayerCache,
  LayerNorm,
  Linear,
  Module,
  normal,
  type Tensor,
  type Tensor2D,
  type Tensor3D,
  type Tensor4D,
  tensor,
  zerosInit,
} from '@filature/tensor'
import type { Options } from './config.ts'

export interface AttentionInputs {
  /** Added to the scores, broadcast to (B, H, T, S). */
  bias?: Tensor4D | undefined
  /** A factor for each head, (H). */
  headMask?: Tensor | undefined
  /** What is looked at instead of x itself, (B, S, encoder_width). */
  encoderStates?: Tensor3D | undefined
  cache?: LayerCache | undefined
}

/** Queries, keys and values of the heads that are left, with BERT's relative positions. */
export class QFormerSelfAttention extends AttentionModule {
  query: Linear
  key: Linear
  value: Linear
  readonly distance_embedding: Embedding | undefined
  readonly dropout: Dropout
  readonly headWidth: number
  readonly #relative: RelativeKind | undefined

  constructor(o: Options, kind: 'self' | 'cross', heads: number) {
    super()
    this.headWidth = o.hidden_size / o.num_attention_heads
    const init = normal(o.initializer_range)
    const linear = (from: number) => new Linear(from, heads * this.headWidth, { init, biasInit: zerosInit })
    const source = kind === 'cross' ? o.encoder_width : o.hidden_size
    this.query = linear(o.hidden_size)
    this.key = linear(source)
    this.value = linear(source)
    this.dropout = new Dropout(o.attention_probs_dropout_prob)
    if (o.position_embedding_type !== 'absolute') {
      this.#relative = o.position_embedding_type
      this.distance_embedding = new Embedding(2 * o.max_position_embeddings - 1, this.headWidth, { init })
    }
  }

  /** x (B, T, C) -> (B, T, H D) */
  forward(x: Tensor3D, { bias, headMask, encoderStates, cache }: AttentionInputs): Tensor3D {
    const heads = this.query.weight.shape[0]! / this.headWidth
    const q = splitHeads(this.query.forward(x), heads) // (B, T, H, D)
    let k = splitHeads(this.key.forward(encoderStates ?? x), heads) // (B, S, H, D)
    let v = splitHeads(this.value.forward(encoderStates ?? x), heads)
    if (cache && !encoderStates) ({ k, v } = cache.append(k, v))
    if (this.#relative && this.distance_embedding) {
      const table = this.distance_embedding.weight.value as Tensor2D
      // an encoder's states are counted from 0 beside the queries; cached positions come before them
      const start = encoderStates ? 0 : k.shape[1] - q.shape[1]
      const relative = relativeBias(q, k, table, { kind: this.#relative, start })
      bias = bias ? add(relative, bias) : relative
    }
    return joinHeads(this.attend(q, k, v, { bias, headMask, dropout: this.dropout.draw() }))
  }
}

/** The projection behind the heads, with residual and norm. */
export class QFormerSelfOutput extends Module {
  dense: Linear
  readonly LayerNorm: LayerNorm
  readonly dropout: Dropout

  constructor(o: Options, from: number) {
    super()
    this.dense = new Linear(from, o.hidden_size, { init: normal(o.initializer_range), biasInit: zerosInit })
    this.LayerNorm = new LayerNorm(o.hidden_size, { eps: o.layer_norm_eps })
    this.dropout = new Dropout(o.hidden_dropout_prob)
  }

  forward(x: Tensor3D, residual: Tensor3D): Tensor3D {
    return this.LayerNorm.forward(add(this.dropout.forward(this.dense.forward(x)), residual))
  }
}

/** Attention with its output: post-norm. (B, T, C) -> (B, T, C) */
export class QFormerAttention extends Module {
  readonly self: QFormerSelfAttention
  readonly output: QFormerSelfOutput
  readonly #allHeads: number
  #pruned: number[]

  constructor(o: Options, kind: 'self' | 'cross', layer: number) {
    super()
    this.#allHeads = o.num_attention_heads
    this.#pruned = kind === 'self' ? [...(o.pruned_heads[layer] ?? [])] : []
    const heads = this.headsLeft.length
    this.self = new QFormerSelfAttention(o, kind, heads)
    this.output = new QFormerSelfOutput(o, heads * this.self.headWidth)
  }

  /** The original numbers of the heads that are left. */
  get headsLeft(): number[] {
    return Array.from({ length: this.#allHeads }, (_, head) => head).filter((head) => !this.#pruned.includes(head))
  }

  forward(x: Tensor3D, inputs: AttentionInputs): Tensor3D {
    const { headMask } = inputs
    const left = this.headsLeft
    const ofLeft =
      headMask && left.length < this.#allHeads ? gather(headMask, tensor(left, [left.length], 'int32')) : headMask
    return this.output.forward(this.self.forward(x, { ...inputs, headMask: ofLeft }), x)
  }

  /** Takes heads out for good (Michel et al. 2019); `prune` counts among the original ones, those gone already pass. */
  pruneHeads(prune: readonly number[]): void {
    const { self, output } = this
    const { rows, pruned } = keptHeads(
      { heads: this.#allHeads, headWidth: self.headWidth, pruned: this.#pruned },
      prune,
    )
    if (pruned.length === this.#pruned.length) return
    self.query = prunedLinear(self.query, rows, 0)
    self.key = prunedLinear(self.key, rows, 0)
    self.value = prunedLinear(self.value, rows, 0)
    output.dense = prunedLinear(output.dense, rows, 1)
    this.#pruned = pruned
  }
}
