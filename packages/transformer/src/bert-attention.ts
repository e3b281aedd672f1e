import {
  AttentionModule,
  addBiases,
  joinHeads,
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
import type { BertOptions } from './bert-config.ts'

/** What all layers of one run share. */
export interface LayerInputs {
  bias: Tensor4D | undefined
  headMask: Tensor | undefined
}

/** A linear layer, and a norm, as all of BERT has them. */
export const linear = (ins: number, outs: number, { initializer_range }: BertOptions) =>
  new Linear(ins, outs, { init: normal(initializer_range), biasInit: zerosInit })

export const norm = ({ hidden_size, layer_norm_eps: eps }: BertOptions) => new LayerNorm(hidden_size, { eps })

/** Self-attention without its output projection. (B, T, C) -> (B, T, C) */
export class BertSelfAttention extends AttentionModule {
  query: Linear
  key: Linear
  value: Linear
  readonly dropout: Dropout
  /** Vectors of the distances, (2 P - 1, D), for relative positions. */
  readonly distance_embedding: Embedding | undefined
  readonly headWidth: number
  readonly #positions: BertOptions['position_embedding_type']

  /** @param heads those that are not pruned */
  constructor(options: BertOptions, heads: number) {
    super()
    const { hidden_size: C, num_attention_heads: H, max_position_embeddings: P, position_embedding_type } = options
    this.headWidth = C / H
    this.query = linear(C, heads * this.headWidth, options)
    this.key = linear(C, heads * this.headWidth, options)
    this.value = linear(C, heads * this.headWidth, options)
    this.dropout = new Dropout(options.attention_probs_dropout_prob)
    if (position_embedding_type !== 'absolute') {
      this.distance_embedding = new Embedding(2 * P - 1, this.headWidth, { init: normal(options.initializer_range) })
    }
    this.#positions = position_embedding_type
  }

  forward(x: Tensor3D, { bias, headMask }: LayerInputs): Tensor3D {
    const H = this.query.weight.shape[0]! / this.headWidth
    const [q, k, v] = [this.query, this.key, this.value].map((layer) => splitHeads(layer.forward(x), H)) as [
      Tensor4D,
      Tensor4D,
      Tensor4D,
    ] // each (B, T, H, D)
    const distances = this.distance_embedding?.weight.value as Tensor2D | undefined
    const relative =
      distances && this.#positions !== 'absolute' ? relativeBias(q, k, distances, { kind: this.#positions }) : undefined
    const heads = this.attend(q, k, v, {
      bias: addBiases(relative, bias),
      headMask,
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

  constructor(width: number, options: BertOptions) {
    super()
    this.dense = linear(width, options.hidden_size, options)
    this.LayerNorm = norm(options)
    this.dropout = new Dropout(options.hidden_dropout_prob)
  }

  forward(x: Tensor3D, residual: Tensor3D): Tensor3D {
    return this.LayerNorm.forward(add(this.dropout.forward(this.dense.forward(x)), residual))
  }
}

/** Self-attention with its output. (B, T, C) -> (B, T, C) */
export class BertAttention extends Module {
  readonly self: BertSelfAttention
  readonly output: BertOutput
  readonly #allHeads: number
  #pruned: number[]

  constructor(options: BertOptions, layer: number) {
    super()
    const { num_attention_heads: H, hidden_size: C } = options
    this.#allHeads = H
    this.#pruned = [...(options.pruned_heads[layer] ?? [])]
    const left = H - this.#pruned.length
    this.self = new BertSelfAttention(options, left)
    this.output = new BertOutput((left * C) / H, options)
  }

  /** The original heads that are gone. */
  get pruned(): readonly number[] {
    return this.#pruned
  }

  forward(x: Tensor3D, { bias, headMask }: LayerInputs): Tensor3D {
    const left = Array.from({ length: this.#allHeads }, (_, head) => head).filter((h) => !this.#pruned.includes(h))
    const mask = headMask && this.#pruned.length ? gather(headMask, tensor(left, [left.length], 'int32'), 1) : headMask
    return this.output.forward(this.self.forward(x, { bias, headMask: mask }), x)
  }

  /** Takes heads out for good (Michel et al. 2019), counted among the original ones; those gone already pass. */
  pruneHeads(heads: readonly number[]): void {
    const { self, output } = this
    const { rows, pruned } = keptHeads(
      { heads: this.#allHeads, headWidth: self.headWidth, pruned: this.#pruned },
      heads,
    )
    if (pruned.length === this.#pruned.length) return
    self.query = prunedLinear(self.query, rows, 0)
    self.key = prunedLinear(self.key, rows, 0)
    self.value = prunedLinear(self.value, rows, 0)
    output.dense = prunedLinear(output.dense, rows, 1)
    this.#pruned = pruned
  }
}
