import {
  AttentionModule,
  joinHeads,
  KeyValueCache,
  paddingBiasFor,
  type RotaryTable,
  rotaryFrequencies,
  rotaryTable,
  rotaryTableAt,
  splitHeads,
} from '@filature/attention'
import {
  activationNamed,
  add,
  Buffer,
  type Cache,
  type CausalInputs,
  type CausalLM,
  ConfigError,
  checkpointed,
  crossEntropy,
  Dropout,
  Embedding,
  type LayerCache,
  type Linear,
  Module,
  mean,
  mul,
  narrow,
  normal,
  RMSNorm,
  rotary,
  type Scalar,
  swiglu,
  type Tensor1D,
  type Tensor2D,
  type Tensor3D,
  type Tensor4D,
  tidy,
  zerosInit,
} from '@filature/tensor'
import { complete, type LlamaConfig, type Options } from './config.ts'
import { SlicedLinear } from './sliced-linear.ts'

interface BlockInputs {
  positions: RotaryTable
  /** Hides padded keys, (B, 1, 1, S). */
  bias: Tensor4D | undefined
  cache: LayerCache | undefined
}

/** The frequencies that older checkpoints store in every layer. */
class RotaryEmbedding extends Module {
  readonly inv_freq: Buffer

  constructor({ head_dim, rope_theta }: Options) {
    super()
    const derive = () => rotaryFrequencies({ width: head_dim, base: rope_theta })
    this.inv_freq = new Buffer([head_dim / 2], { derive, persistent: false })
  }
}

/** Causal self-attention with rotary positions and grouped keys and values. */
export class LlamaAttention extends AttentionModule {
  readonly q_proj: Linear
  readonly k_proj: Linear
  readonly v_proj: Linear
  readonly o_proj: Linear
  readonly rotary_emb: RotaryEmbedding
  readonly dropout: Dropout
  readonly #heads: number
  readonly #groups: number

  constructor(o: Options) {
    super()
    const { hidden_size: C, num_attention_heads: H, num_key_value_heads: G, head_dim: D, pretraining_tp: slices } = o
    const options = { bias: o.attention_bias, init: normal(o.initializer_range), biasInit: zerosInit }
    this.q_proj = new SlicedLinear(C, H * D, slices, 'outputs', options)
    this.k_proj = new SlicedLinear(C, G * D, slices, 'outputs', options)
    this.v_proj = new SlicedLinear(C, G * D, slices, 'outputs', options)
    this.o_proj = new SlicedLinear(H * D, C, slices, 'inputs', options)
    this.rotary_emb = new RotaryEmbedding(o)
    this.dropout = new Dropout(o.attention_dropout)
    this.#heads = H
    this.#groups = G
  }

  /** x (B, T, C) -> (B, T, C) */
  forward(x: Tensor3D, { positions: { cos, sin }, bias, cache }: BlockInputs): Tensor3D {
    const q = rotary(splitHeads(this.q_proj.forward(x), this.#heads), cos, sin) // (B, T, H, D)
    const k = rotary(splitHeads(this.k_proj.forward(x), this.#groups), cos, sin) // (B, T, G, D)
    const v = splitHeads(this.v_proj.forward(x), this.#groups)
    const heads = this.attend(q, k, v, { causal: true, bias, cache, dropout: this.dropout.draw() })
    return this.o_proj.forward(joinHeads(heads))
  }
}

/** The gated feed-forward layer. (B, T, C) -> (B, T, C) */
export class LlamaMLP extends Module {
  static override readonly taps = ['memory']
  readonly gate_proj: Linear
  readonly up_proj: Linear
  readonly down_proj: Linear
  readonly #act: string

  constructor({
    hidden_size: C,
    intermediate_size: F,
    mlp_bias,
    initializer_range,
    hidden_act,
    pretraining_tp,
  }: Options) {
    super()
    const options = { bias: mlp_bias, init: normal(initializer_range), biasInit: zerosInit }
    this.gate_proj = new SlicedLinear(C, F, pretraining_tp, 'outputs', options)
    this.up_proj = new SlicedLinear(C, F, pretraining_tp, 'outputs', options)
    this.down_proj = new SlicedLinear(F, C, pretraining_tp, 'inputs', options)
    activationNamed(hidden_act)
    this.#act = hidden_act
  }

  forward(x: Tensor3D): Tensor3D {
    const gate = this.gate_proj.forward(x) // (B, T, F)
    const up = this.up_proj.forward(x)
    const memory = this.#act === 'silu' ? swiglu(gate, up) : mul(activationNamed(this.#act)(gate), up)
    return this.down_proj.forward(this.tap('memory', memory))
  }
}

/** x + attention, x + MLP, each behind a norm; taps `residual` between the two, `ffn` and `out` (B, T, C). */
export class LlamaDecoderLayer extends Module {
  static override readonly taps = ['residual', 'ffn', 'out']
  readonly self_attn: LlamaAttention
  readonly mlp: LlamaMLP
  readonly input_layernorm: RMSNorm
  readonly post_attention_layernorm: RMSNorm

  constructor(o: Options) {
    super()
    this.self_attn = new LlamaAttention(o)
    this.mlp = new LlamaMLP(o)
    this.input_layernorm = new RMSNorm(o.hidden_size, { eps: o.rms_norm_eps })
    this.post_attention_layernorm = new RMSNorm(o.hidden_size, { eps: o.rms_norm_eps })
  }

  forward(x: Tensor3D, inputs: BlockInputs): Tensor3D {
    const residual = this.tap('residual', add(x, this.self_attn.forward(this.input_layernorm.forward(x), inputs)))
    const read = this.tap('ffn', this.mlp.forward(this.post_attention_layernorm.forward(residual)))
    return this.tap('out', add(residual, read))
  }
}

/** Embeddings, blocks and the last norm. */
export class LlamaModel extends Module {
  static override readonly taps = ['embeddings']
  readonly embed_tokens: Embedding
  readonly layers: LlamaDecoderLayer[]
  readonly norm: RMSNorm
  readonly #options: Options

  constructor(o: Options) {
    super()
    this.embed_tokens = new Embedding(o.vocab_size, o.hidden_size, {
      init: normal(o.initializer_range),
      // a negative one counts from the end, as in torch
      paddingIdx: o.pad_token_id === null ? undefined : (o.pad_token_id + o.vocab_size) % o.vocab_size,
    })
    this.layers = Array.from({ length: o.num_hidden_layers }, () => new LlamaDecoderLayer(o))
    this.norm = new RMSNorm(o.hidden_size, { eps: o.rms_norm_eps })
    this.#options = o
  }

  /** -> (B, T, C) */
  forward({ ids, embeds, attentionMask, positionIds, cache }: CausalInputs): Tensor3D {
    if ((ids === undefined) === (embeds === undefined)) {
      throw new ConfigError('llama-inputs', 'Llama: wanted either ids or embeds, got both or neither.')
    }
    let x = this.tap('embeddings', embeds ?? this.embed_tokens.forward<Tensor3D>(ids!))
    const [B, T] = x.shape
    const past = cache?.length ?? 0
    const shared = {
      positions: this.positions(T, past, positionIds),
      bias: attentionMask && paddingBiasFor(attentionMask, B, past + T),
    }
    this.layers.forEach((layer, i) => {
      x = this.run(layer, x, { ...shared, cache: cache?.layer(i) })
    })
    return this.norm.forward(x)
  }

  private positions(T: number, past: number, positionIds: Tensor2D | undefined): RotaryTable {
    const { head_dim: width, rope_theta: base, rotary: scaling } = this.#options
    const options = { width, base, scaling }
    return positionIds ? rotaryTableAt(options, positionIds, past + T) : rotaryTable(options, { start: past, count: T })
  }

  private run(layer: LlamaDecoderLayer, x: Tensor3D, inputs: BlockInputs): Tensor3D {
    if (!this.#options.gradient_checkpointing) return tidy(() => layer.forward(x, inputs))
    if (inputs.cache) {
      throw new ConfigError(
        'llama-recompute-cache',
        'Llama: gradient_checkpointing computes blocks again, which would fill a cache twice; decode without it.',
      )
    }
    return checkpointed(layer, { x, inputs }, ({ x, inputs }) => layer.forward(x, inputs))
  }
}

export interface LlamaLossOptions {
  /** 'none' gives each row's mean over its T - 1 positions, ignored ones counted as 0. */
  reduction?: 'mean' | 'sum' | 'none'
}

/** LLaMA (Touvron et al. 2023) with its head, under the names of Hugging Face's checkpoints. */
export class Llama extends Module implements CausalLM {
  readonly model: LlamaModel
  readonly lm_head: Linear
  readonly config: LlamaConfig

  constructor(config: LlamaConfig) {
    super()
    const o = complete(config)
    this.config = config
    this.model = new LlamaModel(o)
    this.lm_head = new SlicedLinear(o.hidden_size, o.vocab_size, o.pretraining_tp, 'outputs', {
      bias: false,
      init: normal(o.initializer_range),
      ...(o.tie_word_embeddings ? { weight: this.model.embed_tokens.weight } : {}),
    })
  }

  /** -> (B, T, V), or (B, 1, V) with `lastOnly` */
  logits(inputs: CausalInputs): Tensor3D {
    return tidy(() => {
      const x = this.model.forward(inputs)
      return this.lm_head.forward(inputs.lastOnly ? narrow(x, 1, -1) : x)
    })
  }

  /** Next-token cross-entropy of labels int32 (B, T), shifted here; -100 is ignored. */
  loss(inputs: CausalInputs, labels: Tensor2D, options: { reduction: 'none' }): Tensor1D
  loss(inputs: CausalInputs, labels: Tensor2D, options?: LlamaLossOptions): Scalar
  loss(inputs: CausalInputs, labels: Tensor2D, { reduction = 'mean' }: LlamaLossOptions = {}): Scalar | Tensor1D {
    const logits = narrow(this.logits(inputs), 1, 0, -1)
    const loss = crossEntropy(logits, narrow(labels, 1, 1), { reduction })
    return reduction === 'none' ? mean<Tensor1D>(loss, 1) : (loss as Scalar)
  }

  newCache(batch: number, capacity: number): Cache {
    return new KeyValueCache({ layers: this.config.num_hidden_layers, batch, capacity })
  }
}
