import { fillBias, LEAST } from '@filature/attention'
import {
  activationNamed,
  add,
  Buffer,
  ConfigError,
  checkpointed,
  Dropout,
  Embedding,
  type LayerNorm,
  Linear,
  Module,
  narrow,
  normal,
  reshape,
  ShapeError,
  squeeze,
  type Tensor,
  type Tensor2D,
  type Tensor3D,
  type Tensor4D,
  tanh,
  tidy,
  zerosInit,
  zerosLike,
} from '@filature/tensor'
import { BertAttention, type BertAttentionInputs, BertOutput, linear, norm } from './bert-attention.ts'
import { type BertConfig, type BertLayerOptions, type BertOptions, completeBert } from './bert-config.ts'
import { requireHeadMask } from './head-mask.ts'

export interface BertInputs {
  /** int32 (B, T); or give `embeds`. */
  ids?: Tensor2D
  /** Word embeddings (B, T, C) in place of ids. */
  embeds?: Tensor3D
  /** 1 where a token counts, (B, T), or which tokens each query sees, (B, T, T). */
  attentionMask?: Tensor2D | Tensor3D | undefined
  /** Segment of each token, int32 (B, T); 0 by default. */
  tokenTypeIds?: Tensor2D | undefined
  /** int32 (B, T); 0, 1, ... by default. */
  positionIds?: Tensor2D | undefined
  /** Factor on each head, (L, H). */
  headMask?: Tensor2D | undefined
}

/** Words, positions and segments, summed and normed. Tap: `out` (B, T, C). */
export class BertEmbeddings extends Module {
  static override readonly taps = ['out']
  readonly word_embeddings: Embedding
  readonly position_embeddings: Embedding
  readonly token_type_embeddings: Embedding
  readonly LayerNorm: LayerNorm
  readonly dropout: Dropout
  readonly position_ids: Buffer
  readonly #absolute: boolean

  constructor(options: BertOptions) {
    super()
    const { hidden_size: C, max_position_embeddings: P, initializer_range } = options
    const init = normal(initializer_range)
    this.word_embeddings = new Embedding(options.vocab_size, C, { init, paddingIdx: options.pad_token_id })
    this.position_embeddings = new Embedding(P, C, { init })
    this.token_type_embeddings = new Embedding(options.type_vocab_size, C, { init })
    this.LayerNorm = norm(options)
    this.dropout = new Dropout(options.hidden_dropout_prob)
    this.position_ids = new Buffer([1, P], {
      dtype: 'int32',
      derive: () => Int32Array.from({ length: P }, (_, i) => i),
    })
    this.#absolute = options.position_embedding_type === 'absolute'
  }

  forward({ ids, embeds, tokenTypeIds, positionIds }: BertInputs): Tensor3D {
    if ((ids === undefined) === (embeds === undefined)) {
      throw new ConfigError('bert-inputs', 'Bert: wanted either ids or embeds, got both or neither.')
    }
    const words = embeds ?? this.word_embeddings.forward<Tensor3D>(ids!) // (B, T, C)
    const T = words.shape[1]
    const P = this.position_ids.shape[1]!
    if (T > P) {
      throw new ShapeError(
        'bert-length',
        `Bert: wanted at most ${P} tokens (max_position_embeddings), got ${T}; cut or split the text.`,
      )
    }
    const types = tokenTypeIds ?? narrow(zerosLike(this.position_ids.value), 1, 0, T) // (1, T)
    let x = add(words, this.token_type_embeddings.forward(types))
    if (this.#absolute) {
      x = add(x, this.position_embeddings.forward(positionIds ?? narrow(this.position_ids.value, 1, 0, T)))
    }
    return this.tap('out', this.dropout.forward(this.LayerNorm.forward(x)))
  }
}

/** The first half of the feed-forward layer; tap `memory` (B, T, F). */
export class BertIntermediate extends Module {
  static override readonly taps = ['memory']
  readonly dense: Linear
  readonly #act: <T extends Tensor>(x: T) => T

  constructor(options: BertLayerOptions) {
    super()
    const { hidden_size: C, intermediate_size: F, hidden_act, initializer_range } = options
    // the exact GELU and ReLU run inside the product's kernel
    const fused = hidden_act === 'gelu' || hidden_act === 'relu' ? hidden_act : 'none'
    this.dense = new Linear(C, F, { init: normal(initializer_range), biasInit: zerosInit, activation: fused })
    this.#act = fused === 'none' ? activationNamed(hidden_act) : (x) => x
  }

  forward(x: Tensor3D): Tensor3D {
    return this.tap('memory', this.#act(this.dense.forward(x)))
  }
}

/** Attention and feed-forward, each followed by its norm. Tap: `out` (B, T, C). */
export class BertLayer extends Module {
  static override readonly taps = ['out']
  readonly attention: BertAttention
  readonly intermediate: BertIntermediate
  readonly output: BertOutput

  constructor(options: BertOptions, index: number) {
    super()
    this.attention = new BertAttention(options, { pruned: options.pruned_heads[index] })
    this.intermediate = new BertIntermediate(options)
    this.output = new BertOutput(options.intermediate_size, options)
  }

  forward(x: Tensor3D, inputs: Pick<BertAttentionInputs, 'bias' | 'headMask'>): Tensor3D {
    const attended = this.attention.forward(x, inputs)
    return this.tap('out', this.output.forward(this.intermediate.forward(attended), attended))
  }
}

export class BertEncoder extends Module {
  readonly layer: BertLayer[]
  readonly #recompute: boolean

  constructor(options: BertOptions) {
    super()
    this.layer = Array.from({ length: options.num_hidden_layers }, (_, i) => new BertLayer(options, i))
    this.#recompute = options.gradient_checkpointing
  }

  forward(x: Tensor3D, bias: Tensor4D | undefined, headMask: Tensor2D | undefined): Tensor3D {
    if (headMask) requireHeadMask('Bert', headMask, this.layer.length)
    this.layer.forEach((layer, i) => {
      const inputs = { x, bias, headMask: headMask && narrow(headMask, 0, i, i + 1) }
      const run = ({ x, ...shared }: typeof inputs) => layer.forward(x, shared)
      x = tidy(() => (this.#recompute ? checkpointed(layer, inputs, run) : run(inputs)))
    })
    return x
  }
}

/** tanh of a dense layer on the first token. (B, T, C) -> (B, C) */
export class BertPooler extends Module {
  readonly dense: Linear

  constructor(options: BertLayerOptions) {
    super()
    this.dense = linear(options.hidden_size, options.hidden_size, options)
  }

  forward(x: Tensor3D): Tensor2D {
    return tanh(this.dense.forward(squeeze<Tensor2D>(narrow(x, 1, 0, 1), [1])))
  }
}

/**
 * BERT's encoder (Devlin et al. 2019), with or without the pooler. Taps: `embeddings.out`, `encoder.layer.N.out`,
 * `encoder.layer.N.attention.self.pattern`, `encoder.layer.N.intermediate.memory`.
 */
export class BertModel extends Module {
  readonly embeddings: BertEmbeddings
  readonly encoder: BertEncoder
  readonly pooler: BertPooler | undefined

  constructor(config: BertConfig, { pooler = true }: { pooler?: boolean } = {}) {
    super()
    const options = completeBert(config)
    this.embeddings = new BertEmbeddings(options)
    this.encoder = new BertEncoder(options)
    this.pooler = pooler ? new BertPooler(options) : undefined
  }

  /** Heads to take out, by layer, counted in original heads: `{ 0: [1, 3] }`. */
  pruneHeads(byLayer: Readonly<Record<number, readonly number[]>>): void {
    const pruned = Object.entries(byLayer).map(([layer, heads]) => {
      const found = this.encoder.layer[Number(layer)]
      if (!found) throw new ConfigError('bert-prune', `BertModel: there is no layer ${layer} to prune.`)
      found.attention.keptWithout(heads) // throws before anything changes
      return [found.attention, heads] as const
    })
    for (const [attention, heads] of pruned) attention.pruneHeads(heads)
  }

  /** What `pruned_heads` of a config.json says of this model. */
  get prunedHeads(): Record<number, number[]> {
    return Object.fromEntries(
      this.encoder.layer.flatMap(({ attention }, i) => (attention.pruned.length ? [[i, [...attention.pruned]]] : [])),
    )
  }

  /** The last layer's states. -> (B, T, C) */
  forward(inputs: BertInputs): Tensor3D {
    const bias = inputs.attentionMask && paddingOf(inputs.attentionMask)
    return this.encoder.forward(this.embeddings.forward(inputs), bias, inputs.headMask)
  }

  /** The last layer's states and the pooled first token. */
  pooled(inputs: BertInputs): { states: Tensor3D; pooled: Tensor2D } {
    if (!this.pooler) {
      throw new ConfigError('bert-pooler', 'BertModel: built without a pooler; build it with { pooler: true }.')
    }
    const states = this.forward(inputs)
    return { states, pooled: this.pooler.forward(states) }
  }
}

/** (B, S) -> (B, 1, 1, S); (B, T, S) -> (B, 1, T, S): the least number where a key is hidden */
function paddingOf(mask: Tensor2D | Tensor3D): Tensor4D {
  if (mask.rank !== 2 && mask.rank !== 3) {
    throw new ShapeError(
      'mask-shape',
      `Bert: wanted an attentionMask (B, S) or (B, T, S), got [${(mask as Tensor).shape}].`,
    )
  }
  const [B, T] = mask.shape
  return reshape(fillBias(mask, LEAST), [B, 1, mask.rank === 2 ? 1 : T, mask.shape[mask.rank - 1]!])
}
