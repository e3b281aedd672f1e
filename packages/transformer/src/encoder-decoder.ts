import { heldKeyValues, KeyValueCache, MultiheadAttention, type MultiheadInputs } from '@filature/attention'
import {
  type ActivationKind,
  add,
  type Cache,
  ConfigError,
  Dropout,
  LayerNorm,
  Linear,
  Module,
  type Tensor,
  type Tensor3D,
  tidy,
  xavierUniform,
} from '@filature/tensor'

/** Options as torch's `nn.TransformerEncoderLayer` names them; tensors are always (B, T, C). */
export interface TransformerLayerConfig {
  d_model: number
  nhead: number
  dim_feedforward?: number
  dropout?: number
  /** torch has relu and gelu by name, the others as functions */
  activation?: Exclude<ActivationKind, 'none'>
  /** Norms before attention and feed-forward instead of after. */
  norm_first?: boolean
  layer_norm_eps?: number
}

/** Options as torch's `nn.Transformer` names them. */
export interface TransformerConfig extends TransformerLayerConfig {
  num_encoder_layers: number
  num_decoder_layers: number
}

type LayerOptions = Required<TransformerLayerConfig>

const activations = ['relu', 'gelu', 'gelu_tanh', 'silu', 'tanh', 'sigmoid', 'quick_gelu'] as const

/** Fills in torch's defaults. */
function complete<T extends TransformerLayerConfig>(config: T): T & LayerOptions {
  const options = {
    dim_feedforward: 2048,
    dropout: 0.1,
    activation: 'relu' as const,
    norm_first: false,
    layer_norm_eps: 1e-5,
    ...config,
  }
  if (!activations.includes(options.activation)) {
    throw new ConfigError(
      'transformer-activation',
      `Transformer: wanted activation ${activations.join(', ')}; got '${options.activation}'.`,
    )
  }
  return options
}

/** Masks as in torch: bool tensors are true where a key is not seen, float ones are added to the scores. */
export interface EncoderMasks {
  /** (S, S) */
  mask?: Tensor | undefined
  /** (B, S) */
  keyPaddingMask?: Tensor | undefined
}

export interface DecoderMasks {
  /** (T, T) */
  mask?: Tensor | undefined
  /** (B, T) */
  keyPaddingMask?: Tensor | undefined
  /** (T, S) */
  memoryMask?: Tensor | undefined
  /** (B, S) */
  memoryKeyPaddingMask?: Tensor | undefined
  /** Each target sees itself and those before it, without a mask. */
  causal?: boolean
  cache?: Cache | undefined
}

/** linear2(dropout(act(linear1(x)))), as part of a layer: the names stand in the layer itself. */
abstract class Layer extends Module {
  /** `memory` (B, T, F): the feed-forward layer's cells; `out` (B, T, C). */
  static override readonly taps = ['memory', 'out']
  abstract readonly linear1: Linear
  abstract readonly linear2: Linear
  abstract readonly dropout: Dropout

  protected feedForward(x: Tensor3D): Tensor3D {
    const memory = this.tap('memory', this.linear1.forward(x)) // (B, T, F)
    return this.linear2.forward(this.dropout.forward(memory))
  }
}

const linear1 = ({ d_model, dim_feedforward, activation }: LayerOptions) =>
  new Linear(d_model, dim_feedforward, { init: xavierUniform(), activation })
const linear2 = ({ d_model, dim_feedforward }: LayerOptions) =>
  new Linear(dim_feedforward, d_model, { init: xavierUniform() })
const norm = ({ d_model, layer_norm_eps: eps }: LayerOptions) => new LayerNorm(d_model, { eps })

/** Self-attention and feed-forward. (B, S, C) -> (B, S, C) */
export class TransformerEncoderLayer extends Layer {
  readonly self_attn: MultiheadAttention
  readonly linear1: Linear
  readonly dropout: Dropout
  readonly linear2: Linear
  readonly norm1: LayerNorm
  readonly norm2: LayerNorm
  readonly dropout1: Dropout
  readonly dropout2: Dropout
  readonly normFirst: boolean

  constructor(config: TransformerLayerConfig) {
    super()
    const options = complete(config)
    const { d_model: C, nhead: H, dropout } = options
    this.self_attn = new MultiheadAttention(C, H, { dropout, outInit: xavierUniform() })
    this.linear1 = linear1(options)
    this.dropout = new Dropout(dropout)
    this.linear2 = linear2(options)
    this.norm1 = norm(options)
    this.norm2 = norm(options)
    this.dropout1 = new Dropout(dropout)
    this.dropout2 = new Dropout(dropout)
    this.normFirst = options.norm_first
  }

  forward(x: Tensor3D, { mask, keyPaddingMask }: EncoderMasks = {}): Tensor3D {
    const attend = (y: Tensor3D) =>
      this.dropout1.forward(this.self_attn.forward(y, y, y, { attnMask: mask, keyPaddingMask }))
    const feed = (y: Tensor3D) => this.dropout2.forward(this.feedForward(y))
    if (this.normFirst) {
      x = add(x, attend(this.norm1.forward(x)))
      x = add(x, feed(this.norm2.forward(x)))
    } else {
      x = this.norm1.forward(add(x, attend(x)))
      x = this.norm2.forward(add(x, feed(x)))
    }
    return this.tap('out', x)
  }
}

/** Self-attention, attention to the memory, feed-forward. (B, T, C), memory (B, S, C) -> (B, T, C) */
export class TransformerDecoderLayer extends Layer {
  readonly self_attn: MultiheadAttention
  readonly multihead_attn: MultiheadAttention
  readonly linear1: Linear
  readonly dropout: Dropout
  readonly linear2: Linear
  readonly norm1: LayerNorm
  readonly norm2: LayerNorm
  readonly norm3: LayerNorm
  readonly dropout1: Dropout
  readonly dropout2: Dropout
  readonly dropout3: Dropout
  readonly normFirst: boolean

  constructor(config: TransformerLayerConfig) {
    super()
    const options = complete(config)
    const { d_model: C, nhead: H, dropout } = options
    this.self_attn = new MultiheadAttention(C, H, { dropout, outInit: xavierUniform() })
    this.multihead_attn = new MultiheadAttention(C, H, { dropout, outInit: xavierUniform() })
    this.linear1 = linear1(options)
    this.dropout = new Dropout(dropout)
    this.linear2 = linear2(options)
    this.norm1 = norm(options)
    this.norm2 = norm(options)
    this.norm3 = norm(options)
    this.dropout1 = new Dropout(dropout)
    this.dropout2 = new Dropout(dropout)
    this.dropout3 = new Dropout(dropout)
    this.normFirst = options.norm_first
  }

  /** @param index of the layer in the cache */
  forward(x: Tensor3D, memory: Tensor3D, masks: DecoderMasks = {}, index = 0): Tensor3D {
    const cache = masks.cache?.layer(index)
    const own: MultiheadInputs = {
      attnMask: masks.mask,
      keyPaddingMask: masks.keyPaddingMask,
      causal: masks.causal ?? false,
      cache,
    }
    const held = heldKeyValues(cache, () => this.multihead_attn.keyValues(memory))
    const other = { attnMask: masks.memoryMask, keyPaddingMask: masks.memoryKeyPaddingMask }
    const attend = (y: Tensor3D) => this.dropout1.forward(this.self_attn.forward(y, y, y, own))
    const attendMemory = (y: Tensor3D) => this.dropout2.forward(this.multihead_attn.forwardTo(y, held, other))
    const feed = (y: Tensor3D) => this.dropout3.forward(this.feedForward(y))
    if (this.normFirst) {
      x = add(x, attend(this.norm1.forward(x)))
      x = add(x, attendMemory(this.norm2.forward(x)))
      x = add(x, feed(this.norm3.forward(x)))
    } else {
      x = this.norm1.forward(add(x, attend(x)))
      x = this.norm2.forward(add(x, attendMemory(x)))
      x = this.norm3.forward(add(x, feed(x)))
    }
    return this.tap('out', x)
  }
}

export class TransformerEncoder extends Module {
  readonly layers: TransformerEncoderLayer[]
  readonly norm: LayerNorm

  constructor(config: TransformerLayerConfig & { num_encoder_layers: number }) {
    super()
    const options = complete(config)
    this.layers = Array.from({ length: options.num_encoder_layers }, () => new TransformerEncoderLayer(options))
    this.norm = norm(options)
  }

  /** (B, S, C) -> memory (B, S, C) */
  forward(x: Tensor3D, masks: EncoderMasks = {}): Tensor3D {
    return this.norm.forward(this.layers.reduce((y, layer) => tidy(() => layer.forward(y, masks)), x))
  }
}

export class TransformerDecoder extends Module {
  readonly layers: TransformerDecoderLayer[]
  readonly norm: LayerNorm

  constructor(config: TransformerLayerConfig & { num_decoder_layers: number }) {
    super()
    const options = complete(config)
    this.layers = Array.from({ length: options.num_decoder_layers }, () => new TransformerDecoderLayer(options))
    this.norm = norm(options)
  }

  /** (B, T, C), memory (B, S, C) -> (B, T, C) */
  forward(x: Tensor3D, memory: Tensor3D, masks: DecoderMasks = {}): Tensor3D {
    return this.norm.forward(this.layers.reduce((y, layer, i) => tidy(() => layer.forward(y, memory, masks, i)), x))
  }
}

/** The encoder-decoder of Vaswani et al. 2017 with the parameters of torch's `nn.Transformer`. */
export class Transformer extends Module {
  readonly encoder: TransformerEncoder
  readonly decoder: TransformerDecoder

  constructor(config: TransformerConfig) {
    super()
    this.encoder = new TransformerEncoder(config)
    this.decoder = new TransformerDecoder(config)
  }

  /** src (B, S, C), tgt (B, T, C) -> (B, T, C) */
  forward(src: Tensor3D, tgt: Tensor3D, masks: { encoder?: EncoderMasks; decoder?: DecoderMasks } = {}): Tensor3D {
    return this.decoder.forward(tgt, this.encoder.forward(src, masks.encoder), masks.decoder)
  }

  newCache(batch: number, capacity: number): Cache {
    return new KeyValueCache({ layers: this.decoder.layers.length, batch, capacity })
  }
}
