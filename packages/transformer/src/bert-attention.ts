import {
  AttentionModule,
  addBiases,
  joinHeads,
  type KeptHeads,
  keptHeads,
  prunedLinear,
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
import type { BertLayerOptions } from './bert-config.ts'

/** What attention takes beside x; all layers of one run share the first two. */
export interface BertAttentionInputs {
  /** Added to the scores, broadcast to (B, H, T, S). */
  bias?: Tensor4D | undefined
  /** Factor on each head, (H) or (B, H). */
  headMask?: Tensor | undefined
  /** What is looked at instead of x itself, (B, S, sourceWidth). */
  source?: Tensor3D | undefined
  /** Keys and values of the positions before x. */
  cache?: LayerCache | undefined
}

/** A linear layer, and a norm, as all of BERT has them. */
export const linear = (ins: number, outs: number, { initializer_range }: BertLayerOptions) =>
  new Linear(ins, outs, { init: normal(initializer_range), biasInit: zerosInit })

export const norm = ({ hidden_size, layer_norm_eps: eps }: BertLayerOptions) => new LayerNorm(hidden_size, { eps })

/** Attention of some heads, without the output projection. (B, T, C) -> (B, T, H D) */
export class BertSelfAttention extends AttentionModule {
  query: Linear
  key: Linear
  value: Linear
  readonly dropout: Dropout
  /** Vectors of the distances, (2 P - 1, D), for relative positions. */
  readonly distance_embedding: Embedding | undefined
  readonly headWidth: number
  readonly #positions: BertLayerOptions['position_embedding_type']

  /**
   * @param heads those that are not pruned
   * @param sourceWidth of what keys and values are made of
   */
  constructor(options: BertLayerOptions, heads: number, sourceWidth = options.hidden_size) {
    super()
    const { hidden_size: C, num_attention_heads: H, max_position_embeddings: P, position_embedding_type } = options
    this.headWidth = C / H
    this.query = linear(C, heads * this.headWidth, options)
    this.key = linear(sourceWidth, heads * this.headWidth, options)
    this.value = linear(sourceWidth, heads * this.headWidth, options)
    this.dropout = new Dropout(options.attention_probs_dropout_prob)
    if (position_embedding_type !== 'absolute') {
      this.distance_embedding = new Embedding(2 * P - 1, this.headWidth, { init: normal(options.initializer_range) })
    }
    this.#positions = position_embedding_type
  }

  forward(x: Tensor3D, { bias, headMask, source, cache }: BertAttentionInputs): Tensor3D {
    const H = this.query.weight.shape[0]! / this.headWidth
    const q = splitHeads(this.query.forward(x), H) // (B, T, H, D)
    let k = splitHeads(this.key.forward(source ?? x), H) // (B, S, H, D)
    let v = splitHeads(this.value.forward(source ?? x), H)
    const held = source ? undefined : cache
    const distances = this.distance_embedding?.weight.value as Tensor2D | undefined
    if (held && distances) ({ k, v } = held.append(k, v)) // distances are counted from all of the keys
    // a source's positions are counted from 0 beside the queries; cached positions come before them
    const start = source ? 0 : k.shape[1] - q.shape[1]
    const relative =
      distances && this.#positions !== 'absolute'
        ? relativeBias(q, k, distances, { kind: this.#positions, start })
        : undefined
    const heads = this.attend(q, k, v, {
      bias: addBiases(relative, bias),
      headMask,
      cache: distances ? undefined : held,
      dropout: this.dropout.draw(),
    })
    return joinHeads(heads)
  }
}

/** norm(residual + dropout(dense(x))): the end of both halves of a layer. */
export class BertOutput extends Module {
  dense: Linear
  readonly LayerNorm: LayerNorm
  readonly dropout: Dropout

  constructor(width: number, options: BertLayerOptions) {
    super()
    this.dense = linear(width, options.hidden_size, options)
    this.LayerNorm = norm(options)
    this.dropout = new Dropout(options.hidden_dropout_prob)
  }

  forward(x: Tensor3D, residual: Tensor3D): Tensor3D {
    return this.LayerNorm.forward(add(this.dropout.forward(this.dense.forward(x)), residual))
  }
}

/** Attention with its output. (B, T, C) -> (B, T, C) */
export class BertAttention extends Module {
  readonly self: BertSelfAttention
  readonly output: BertOutput
  readonly #allHeads: number
  #pruned: number[]

  /**
   * @param pruned heads that are gone from the start
   * @param sourceWidth of what keys and values are made of; that of x by default
   */
  constructor(
    options: BertLayerOptions,
    { pruned = [], sourceWidth }: { pruned?: readonly number[] | undefined; sourceWidth?: number } = {},
  ) {
    super()
    this.#allHeads = options.num_attention_heads
    this.#pruned = [...pruned]
    const left = this.#allHeads - this.#pruned.length
    this.self = new BertSelfAttention(options, left, sourceWidth)
    this.output = new BertOutput(left * this.self.headWidth, options)
  }

  /** The original heads that are gone. */
  get pruned(): readonly number[] {
    return this.#pruned
  }

  /** A head mask counts the original heads. */
  forward(x: Tensor3D, inputs: BertAttentionInputs): Tensor3D {
    const headMask = inputs.headMask && this.ofHeadsLeft(inputs.headMask)
    return this.output.forward(this.self.forward(x, { ...inputs, headMask }), x)
  }

  private ofHeadsLeft(headMask: Tensor): Tensor {
    if (this.#pruned.length === 0) return headMask
    const left = Array.from({ length: this.#allHeads }, (_, head) => head).filter((h) => !this.#pruned.includes(h))
    return gather(headMask, tensor(left, [left.length], 'int32'), headMask.rank - 1)
  }

  /** What stays when heads go; throws where they cannot. */
  keptWithout(heads: readonly number[]): KeptHeads {
    return keptHeads({ heads: this.#allHeads, headWidth: this.self.headWidth, pruned: this.#pruned }, heads)
  }

  /** Takes heads out for good (Michel et al. 2019), counted among the original ones; those gone already pass. */
  pruneHeads(heads: readonly number[]): void {
    const { self, output } = this
    const { rows, pruned } = this.keptWithout(heads)
    if (pruned.length === this.#pruned.length) return
    self.query = prunedLinear(self.query, rows, 0)
    self.key = prunedLinear(self.key, rows, 0)
    self.value = prunedLinear(self.value, rows, 0)
    output.dense = prunedLinear(output.dense, rows, 1)
    this.#pruned = pruned
  }
}
