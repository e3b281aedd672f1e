import { AttentionModule, joinHeads, KeyValueCache, LearnedPositions, paddingBiasFor } from '@filature/attention'
import {
  activationNamed,
  add,
  type Cache,
  type CausalInputs,
  type CausalLM,
  checkpointed,
  crossEntropy,
  Dropout,
  Embedding,
  type LayerCache,
  LayerNorm,
  Linear,
  Module,
  narrow,
  normal,
  type Scalar,
  type Tensor,
  type Tensor2D,
  type Tensor3D,
  type Tensor4D,
  type Trainable,
  tidy,
} from '@filature/tensor'
import { Conv1D } from './conv1d.ts'
import { embedded, queriesKeysValues } from './gpt-parts.ts'
import { completeGPT2, type GPT2Config, type GPT2Options } from './gpt2-config.ts'
import { requireHeadMask } from './head-mask.ts'

interface BlockInputs {
  /** Hides padded keys, (B, 1, 1, S). */
  bias: Tensor4D | undefined
  /** Factor on each head of this block, (H). */
  headMask: Tensor | undefined
  cache: LayerCache | undefined
}

/** Scaled-down start of the layers that write into the residual stream (Radford et al. 2019, section 2.3). */
const residualInit = ({ initializer_range, n_layer }: GPT2Options) => normal(initializer_range / Math.sqrt(2 * n_layer))

/** Causal self-attention. (B, T, C) -> (B, T, C) */
export class GPT2Attention extends AttentionModule {
  readonly c_attn: Conv1D
  readonly c_proj: Conv1D
  readonly attn_dropout: Dropout
  readonly resid_dropout: Dropout
  readonly #heads: number
  readonly #scale: number

  constructor(options: GPT2Options, block: number) {
    super()
    const { n_embd: C, n_head: H, initializer_range, attn_pdrop, resid_pdrop } = options
    this.c_attn = new Conv1D(C, 3 * C, { init: normal(initializer_range) })
    this.c_proj = new Conv1D(C, C, { init: residualInit(options) })
    this.attn_dropout = new Dropout(attn_pdrop)
    this.resid_dropout = new Dropout(resid_pdrop)
    this.#heads = H
    const byWidth = options.scale_attn_weights ? 1 / Math.sqrt(C / H) : 1
    this.#scale = byWidth / (options.scale_attn_by_inverse_layer_idx ? block + 1 : 1)
  }

  forward(x: Tensor3D, { bias, headMask, cache }: BlockInputs): Tensor3D {
    const [q, k, v] = queriesKeysValues(this.c_attn.forward(x), this.#heads) // each (B, T, H, D)
    const heads = this.attend(q, k, v, {
      causal: true,
      scale: this.#scale,
      bias,
      headMask,
      cache,
      dropout: this.attn_dropout.draw(),
    })
    return this.resid_dropout.forward(this.c_proj.forward(joinHeads(heads)))
  }
}

/** The feed-forward layer; taps `pre` and `memory` (B, T, F), before and after the activation. (B, T, C) -> (B, T, C) */
export class GPT2MLP extends Module {
  static override readonly taps = ['pre', 'memory']
  readonly c_fc: Conv1D
  readonly c_proj: Conv1D
  readonly dropout: Dropout
  readonly #act: <T extends Tensor>(x: T) => T

  constructor(options: GPT2Options) {
    super()
    const { n_embd: C, n_inner: F, initializer_range } = options
    this.c_fc = new Conv1D(C, F, { init: normal(initializer_range) })
    this.c_proj = new Conv1D(F, C, { init: residualInit(options) })
    this.dropout = new Dropout(options.resid_pdrop)
    this.#act = activationNamed(options.activation_function)
  }

  forward(x: Tensor3D): Tensor3D {
    const memory = this.tap('memory', this.#act(this.tap('pre', this.c_fc.forward(x)))) // (B, T, F)
    return this.dropout.forward(this.c_proj.forward(memory))
  }
}

/** x + attention, x + feed-forward, each behind a norm; taps `residual` between the two, `ffn` and `out` (B, T, C). */
export class GPT2Block extends Module {
  static override readonly taps = ['residual', 'ffn', 'out']
  readonly ln_1: LayerNorm
  readonly attn: GPT2Attention
  readonly ln_2: LayerNorm
  readonly mlp: GPT2MLP

  constructor(options: GPT2Options, block: number) {
    super()
    const { n_embd: C, layer_norm_epsilon: eps } = options
    this.ln_1 = new LayerNorm(C, { eps })
    this.attn = new GPT2Attention(options, block)
    this.ln_2 = new LayerNorm(C, { eps })
    this.mlp = new GPT2MLP(options)
  }

  forward(x: Tensor3D, inputs: BlockInputs): Tensor3D {
    const residual = this.tap('residual', add(x, this.attn.forward(this.ln_1.forward(x), inputs)))
    const read = this.tap('ffn', this.mlp.forward(this.ln_2.forward(residual)))
    return this.tap('out', add(residual, read))
  }
}

export interface GPT2Inputs extends CausalInputs {
  /** Factor on each head, (L, H). */
  headMask?: Tensor2D | undefined
}

/** Embeddings, blocks and the last norm. Taps: `embeddings`, `out` (B, T, C). */
export class GPT2Model extends Module {
  static override readonly taps = ['embeddings', 'out']
  readonly wte: Embedding
  readonly wpe: LearnedPositions
  readonly drop: Dropout
  readonly h: GPT2Block[]
  readonly ln_f: LayerNorm
  readonly #recompute: boolean

  constructor(options: GPT2Options) {
    super()
    const { n_embd: C, initializer_range } = options
    this.wte = new Embedding(options.vocab_size, C, { init: normal(initializer_range) })
    this.wpe = new LearnedPositions(options.n_positions, C, { init: normal(initializer_range) })
    this.drop = new Dropout(options.embd_pdrop)
    this.h = Array.from({ length: options.n_layer }, (_, block) => new GPT2Block(options, block))
    this.ln_f = new LayerNorm(C, { eps: options.layer_norm_epsilon })
    this.#recompute = options.gradient_checkpointing
  }

  /** -> (B, T, C) */
  forward({ headMask, ...inputs }: GPT2Inputs): Tensor3D {
    const { attentionMask, cache } = inputs
    if (headMask) requireHeadMask('GPT2', headMask, this.h.length)
    let x = this.drop.forward(this.tap('embeddings', embedded('GPT2', this, inputs)))
    const [B, T] = x.shape
    const bias = attentionMask && paddingBiasFor(attentionMask, B, (cache?.length ?? 0) + T)
    this.h.forEach((block, i) => {
      const mask = headMask && (narrow(headMask, 0, i, i + 1) as Tensor2D) // (1, H)
      const own = { x, bias, headMask: mask, cache: cache?.layer(i) }
      const run = ({ x, ...shared }: typeof own) => block.forward(x, shared)
      // a cache would take the keys in a second time
      x = tidy(() => (this.#recompute && !cache ? checkpointed(block, own, run) : run(own)))
    })
    return this.tap('out', this.ln_f.forward(x))
  }
}

export interface GPT2Batch {
  /** int32 (B, T) */
  ids: Tensor2D
  /** int32 (B, T), -100 left out; `ids` by default. Each position predicts the next one's label. */
  labels?: Tensor2D
  attentionMask?: Tensor2D
}

/** GPT-2 (Radford et al. 2019) as a language model; the head is tied to the embeddings. */
export class GPT2LMHeadModel extends Module implements CausalLM, Trainable<GPT2Batch> {
  readonly transformer: GPT2Model
  readonly lm_head: Linear
  readonly config: GPT2Config

  constructor(config: GPT2Config) {
    super()
    const options = completeGPT2(config)
    this.config = config
    this.transformer = new GPT2Model(options)
    this.lm_head = new Linear(options.n_embd, options.vocab_size, {
      bias: false,
      init: normal(options.initializer_range),
      ...(options.tie_word_embeddings ? { weight: this.transformer.wte.weight } : {}),
    })
  }

  /** -> (B, T, V), or (B, 1, V) for `lastOnly` */
  logits({ lastOnly, ...inputs }: GPT2Inputs): Tensor3D {
    const x = this.transformer.forward(inputs)
    return this.lm_head.forward(lastOnly ? narrow(x, 1, -1) : x)
  }

  /** Mean cross-entropy of the next token, over the labels that are not -100. */
  loss({ ids, labels = ids, attentionMask }: GPT2Batch): Scalar {
    const logits = this.logits(attentionMask ? { ids, attentionMask } : { ids })
    return crossEntropy(narrow(logits, 1, 0, -1), narrow(labels, 1, 1)) as Scalar
  }

  newCache(batch: number, capacity: number): Cache {
    return new KeyValueCache({ layers: this.transformer.h.length, batch, capacity })
  }
}
