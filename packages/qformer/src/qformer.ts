import {
  add,
  Buffer,
  type Cache,
  ConfigError,
  checkpointed,
  concat,
  Dropout,
  Embedding,
  LayerNorm,
  Module,
  narrow,
  normal,
  ones,
  type Rng,
  reshape,
  type Tensor,
  type Tensor2D,
  type Tensor3D,
  tidy,
} from '@filature/tensor'
import { BertPooler } from '@filature/transformer'
import { complete, type Options, type QFormerConfig } from './config.ts'
import { type LayerInputs, QFormerLayer } from './layer.ts'
import { encoderBias, selfBias } from './masks.ts'
import { resizedRows } from './resized-rows.ts'

export interface QFormerInputs {
  /** int32 (B, T) */
  input_ids?: Tensor2D | undefined
  /** int32 (B, T); counted from 0, or behind the cached text, by default. */
  position_ids?: Tensor2D | undefined
  /** (B, Q, C), in front of the text. */
  query_embeds?: Tensor3D | undefined
  /** 1 where a position counts, over cached, query and text positions: (B, S), or (B, T, S). All by default. */
  attention_mask?: Tensor | undefined
  /** A factor for each head of each layer, (L, H). */
  head_mask?: Tensor2D | undefined
  /** (B, S, encoder_width) */
  encoder_hidden_states?: Tensor3D | undefined
  /** 1 where an encoder state counts, (B, S) or (B, Q, S). All by default. */
  encoder_attention_mask?: Tensor | undefined
  cache?: Cache | undefined
  /** Text sees only what comes before it. */
  is_decoder?: boolean
}

/** Word and position embeddings of the text behind the queries, normed together. */
class QFormerEmbeddings extends Module {
  static override readonly taps = ['out']
  word_embeddings: Embedding | undefined
  readonly position_embeddings: Embedding | undefined
  readonly LayerNorm: LayerNorm
  readonly dropout: Dropout
  readonly position_ids: Buffer
  readonly #absolute: boolean

  constructor(o: Options) {
    super()
    const init = normal(o.initializer_range)
    if (o.text_branch) {
      this.word_embeddings = new Embedding(o.vocab_size, o.hidden_size, { paddingIdx: o.pad_token_id, init })
      this.position_embeddings = new Embedding(o.max_position_embeddings, o.hidden_size, { init })
    }
    this.LayerNorm = new LayerNorm(o.hidden_size, { eps: o.layer_norm_eps })
    this.dropout = new Dropout(o.hidden_dropout_prob)
    const count = o.max_position_embeddings
    this.position_ids = new Buffer([1, count], {
      dtype: 'int32',
      derive: () => Int32Array.from({ length: count }, (_, i) => i),
    })
    this.#absolute = o.position_embedding_type === 'absolute'
  }

  forward({ input_ids, position_ids, query_embeds }: QFormerInputs, firstPosition: number): Tensor3D {
    if (!input_ids && !query_embeds)
      throw new ConfigError('qformer-inputs', 'QFormer: wanted input_ids or query_embeds, got neither.')
    const parts = query_embeds ? [query_embeds] : []
    if (input_ids) parts.push(this.text(input_ids, position_ids, firstPosition))
    const x = parts.length === 1 ? parts[0]! : concat(parts, 1)
    return this.tap('out', this.dropout.forward(this.LayerNorm.forward(x)))
  }

  private text(ids: Tensor2D, positions: Tensor2D | undefined, first: number): Tensor3D {
    if (!this.word_embeddings || !this.position_embeddings) {
      throw new ConfigError(
        'qformer-text',
        'QFormer: text was given to a model without a text branch (text_branch: false).',
      )
    }
    const words = this.word_embeddings.forward<Tensor3D>(ids)
    if (!this.#absolute) return words
    const end = first + ids.shape[1]
    if (!positions && end > this.position_ids.shape[1]!) {
      throw new ConfigError(
        'qformer-length',
        `QFormer: text reaches position ${end}, but max_position_embeddings is ${this.position_ids.shape[1]!}.`,
      )
    }
    const at = positions ?? (narrow(this.position_ids.value, 1, first, end) as Tensor2D)
    return add(words, this.position_embeddings.forward<Tensor3D>(at))
  }
}

class QFormerEncoder extends Module {
  readonly layer: QFormerLayer[]

  constructor(o: Options) {
    super()
    this.layer = Array.from({ length: o.num_hidden_layers }, (_, i) => new QFormerLayer(o, i))
  }
}

/** The Q-Former (Li et al. 2023, BLIP-2): BERT with query tokens that look at a frozen encoder. */
export class QFormer extends Module {
  readonly embeddings: QFormerEmbeddings
  readonly encoder: QFormerEncoder
  readonly pooler: BertPooler | undefined
  /** What a config.json of this model says, pruned heads among it. */
  config: QFormerConfig
  readonly #options: Options

  constructor(config: QFormerConfig) {
    super()
    const o = complete(config)
    this.config = config
    this.#options = o
    this.embeddings = new QFormerEmbeddings(o)
    this.encoder = new QFormerEncoder(o)
    this.pooler = o.add_pooling_layer ? new BertPooler(o) : undefined
  }

  /** -> (B, Q + T, C) */
  forward(inputs: QFormerInputs): Tensor3D {
    const { query_embeds, encoder_hidden_states, encoder_attention_mask, head_mask, cache, is_decoder = false } = inputs
    const past = cache?.length ?? 0
    let x = this.embeddings.forward(inputs, past > 0 ? past - this.#options.query_length : 0)
    const [B, T] = x.shape
    const mask = inputs.attention_mask ?? ones([B, past + T])
    const shared: LayerInputs = {
      queryLength: query_embeds?.shape[1] ?? 0,
      bias: selfBias(mask, this.newPositions(mask, T, inputs), {
        causal: is_decoder,
        withQueries: query_embeds !== undefined,
      }),
      encoderStates: encoder_hidden_states,
      encoderBias: encoder_attention_mask && encoderBias(encoder_attention_mask),
    }
    this.encoder.layer.forEach((layer, i) => {
      const headMask = head_mask && reshape(narrow(head_mask, 0, i, i + 1), [-1])
      x = this.run(layer, x, { ...shared, headMask, cache: cache?.layer(i) })
    })
    return x
  }

  /** (B, T, C) -> (B, C); for a model built with a pooling layer. */
  pool(x: Tensor3D): Tensor2D {
    if (!this.pooler)
      throw new ConfigError('qformer-pooler', 'QFormer: no pooling layer; set add_pooling_layer in the configuration.')
    return this.pooler.forward(x)
  }

  /**
   * Makes room for another number of words: the first rows stay, new ones are drawn as a new model's are. A head tied to
   * the words changes with them only through the model that has it.
   */
  resizeVocabulary(vocab_size: number, rng: Rng): void {
    const words = this.embeddings.word_embeddings
    if (!words) {
      throw new ConfigError('qformer-text', 'QFormer: there are no words to resize in a model with text_branch: false.')
    }
    const config = { ...this.config, vocab_size }
    const { hidden_size, initializer_range, pad_token_id } = complete(config)
    const weight = resizedRows(words.weight, vocab_size, normal(initializer_range), rng.fork('word_embeddings'))
    this.embeddings.word_embeddings = new Embedding(vocab_size, hidden_size, { weight, paddingIdx: pad_token_id })
    words[Symbol.dispose]()
    this.config = config
  }

  /** Takes self-attention heads out for good, by layer, counted among the original ones; the configuration remembers. */
  pruneHeads(byLayer: Record<number, readonly number[]>): void {
    const pruned = { ...this.config.pruned_heads }
    for (const [layer, heads] of Object.entries(byLayer)) {
      pruned[Number(layer)] = [...(pruned[Number(layer)] ?? []), ...heads]
    }
    const { pruned_heads } = complete({ ...this.config, pruned_heads: pruned }) // throws before anything changes
    tidy(() => {
      for (const [layer, heads] of Object.entries(byLayer))
        this.encoder.layer[Number(layer)]!.attention.pruneHeads(heads)
    })
    this.config = { ...this.config, pruned_heads }
  }

  /** In causal text behind queries the mask orders the text alone: it counts as new, the queries as before it. */
  private newPositions(mask: Tensor, T: number, { input_ids, is_decoder }: QFormerInputs): number {
    return is_decoder && input_ids && mask.rank === 2 ? input_ids.shape[1] : T
  }

  private run(layer: QFormerLayer, x: Tensor3D, inputs: LayerInputs): Tensor3D {
    if (!this.#options.gradient_checkpointing) return tidy(() => layer.forward(x, inputs))
    if (inputs.cache) {
      throw new ConfigError(
        'qformer-recompute-cache',
        'QFormer: gradient_checkpointing computes layers again, which would fill a cache twice; decode without it.',
      )
    }
    return checkpointed(layer, { x, inputs }, ({ x, inputs }) => layer.forward(x, inputs))
  }
}

/**
 * Keys of a full checkpoint that a Q-Former with `text_branch: false` leaves out.
 * @param prefix where the Q-Former stands in the checkpoint's names: 'Qformer.', 'bert.', ...
 */
export function textBranchKeys(prefix = ''): RegExp[] {
  const at = prefix.replace(/[.*+?^${}()|[\]\\]/g, '\\$&')
  return [
    new RegExp(`^${at}(bert\\.)?embeddings\\.(word|position)_embeddings\\.`),
    new RegExp(`^${at}(bert\\.)?encoder\\.layer\\.\\d+\\.(intermediate|output)\\.`),
    new RegExp(`^${at}cls\\.`),
  ]
}
