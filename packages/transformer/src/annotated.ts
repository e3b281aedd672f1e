import {
  AttentionModule,
  causalKeep,
  joinHeads,
  KeyValueCache,
  keptByAll,
  maskBias,
  sinusoidalTable,
  splitHeads,
} from '@filature/attention'
import {
  add,
  Buffer,
  type Cache,
  ConfigError,
  cast,
  Dropout,
  div,
  Embedding,
  type EncoderDecoderLM,
  expandDims,
  type LayerCache,
  Linear,
  logSoftmax,
  Module,
  mean,
  mul,
  narrow,
  notEqual,
  onesInit,
  Parameter,
  type Scalar,
  ShapeError,
  sqrt,
  square,
  sub,
  sum,
  type Tensor,
  type Tensor2D,
  type Tensor3D,
  type Tensor4D,
  tidy,
  xavierUniform,
  zerosInit,
} from '@filature/tensor'
import { mustDivide } from './config-json.ts'
import { labelSmoothingLoss } from './label-smoothing.ts'

/** Options as `make_model` of the annotated Transformer names them. */
export interface AnnotatedConfig {
  src_vocab: number
  tgt_vocab: number
  /** Layers. */
  N?: number
  d_model?: number
  d_ff?: number
  /** Heads. */
  h?: number
  dropout?: number
  /** Rows of the position table; 5000 in the reference. */
  max_len?: number
  /** Id that fills up short sequences. */
  pad?: number
  label_smoothing?: number
}

type Options = Required<AnnotatedConfig>

/** Hidden scores become this, so that a row that sees nothing is uniform. */
const HIDDEN = -1e9

/** a_2 (x - mean) / (std + eps) + b_2, with the unbiased deviation and eps outside the root: not torch's layer norm. */
class DeviationNorm extends Module {
  readonly a_2: Parameter
  readonly b_2: Parameter

  constructor(width: number) {
    super()
    this.a_2 = new Parameter([width], onesInit)
    this.b_2 = new Parameter([width], zerosInit)
  }

  forward(x: Tensor3D): Tensor3D {
    const centred = sub(x, mean(x, -1, true))
    const variance = div(sum(square(centred), -1, true), x.shape[2] - 1)
    return add(div(mul(centred, this.a_2.value), add(sqrt(variance), 1e-6)), this.b_2.value)
  }
}

/** x + dropout(layer(norm(x))) */
class SublayerConnection extends Module {
  readonly norm: DeviationNorm
  readonly dropout: Dropout

  constructor({ d_model, dropout }: Options) {
    super()
    this.norm = new DeviationNorm(d_model)
    this.dropout = new Dropout(dropout)
  }

  forward(x: Tensor3D, layer: (x: Tensor3D) => Tensor3D): Tensor3D {
    return add(x, this.dropout.forward(layer(this.norm.forward(x))))
  }
}

const linear = (ins: number, outs: number) => new Linear(ins, outs, { init: xavierUniform() })

/** linears: queries, keys, values, output. (B, T, C) to (B, S, C) -> (B, T, C) */
class MultiHeadedAttention extends AttentionModule {
  readonly linears: Linear[]
  readonly dropout: Dropout
  readonly #heads: number

  constructor({ d_model: C, h, dropout }: Options) {
    super()
    this.linears = Array.from({ length: 4 }, () => linear(C, C))
    this.dropout = new Dropout(dropout)
    this.#heads = h
  }

  /** The projected keys and values of a sequence. */
  keyValues(x: Tensor3D): { k: Tensor4D; v: Tensor4D } {
    const [, key, value] = this.linears as [Linear, Linear, Linear]
    return { k: splitHeads(key.forward(x), this.#heads), v: splitHeads(value.forward(x), this.#heads) }
  }

  /** @param keep (B, T or 1, S) */
  forward(x: Tensor3D, { k, v }: { k: Tensor4D; v: Tensor4D }, keep?: Tensor): Tensor3D {
    const q = splitHeads(this.linears[0]!.forward(x), this.#heads)
    const bias = keep && maskBias(keep, HIDDEN)
    return this.linears[3]!.forward(joinHeads(this.attend(q, k, v, { bias, dropout: this.dropout.draw() })))
  }
}

/** Tap `memory` (B, T, F). */
class PositionwiseFeedForward extends Module {
  static override readonly taps = ['memory']
  readonly w_1: Linear
  readonly w_2: Linear
  readonly dropout: Dropout

  constructor({ d_model: C, d_ff: F, dropout }: Options) {
    super()
    this.w_1 = new Linear(C, F, { init: xavierUniform(), activation: 'relu' })
    this.w_2 = linear(F, C)
    this.dropout = new Dropout(dropout)
  }

  forward(x: Tensor3D): Tensor3D {
    return this.w_2.forward(this.dropout.forward(this.tap('memory', this.w_1.forward(x))))
  }
}

class EncoderLayer extends Module {
  readonly self_attn: MultiHeadedAttention
  readonly feed_forward: PositionwiseFeedForward
  readonly sublayer: SublayerConnection[]

  constructor(options: Options) {
    super()
    this.self_attn = new MultiHeadedAttention(options)
    this.feed_forward = new PositionwiseFeedForward(options)
    this.sublayer = Array.from({ length: 2 }, () => new SublayerConnection(options))
  }

  forward(x: Tensor3D, keep?: Tensor): Tensor3D {
    const [attention, feeding] = this.sublayer as [SublayerConnection, SublayerConnection]
    x = attention.forward(x, (y) => this.self_attn.forward(y, this.self_attn.keyValues(y), keep))
    return feeding.forward(x, (y) => this.feed_forward.forward(y))
  }
}

interface DecoderInputs {
  memory: Tensor3D
  sourceKeep: Tensor | undefined
  targetKeep: Tensor | undefined
  cache: LayerCache | undefined
}

class DecoderLayer extends Module {
  readonly self_attn: MultiHeadedAttention
  readonly src_attn: MultiHeadedAttention
  readonly feed_forward: PositionwiseFeedForward
  readonly sublayer: SublayerConnection[]

  constructor(options: Options) {
    super()
    this.self_attn = new MultiHeadedAttention(options)
    this.src_attn = new MultiHeadedAttention(options)
    this.feed_forward = new PositionwiseFeedForward(options)
    this.sublayer = Array.from({ length: 3 }, () => new SublayerConnection(options))
  }

  forward(x: Tensor3D, { memory, sourceKeep, targetKeep, cache }: DecoderInputs): Tensor3D {
    const [own, source, feeding] = this.sublayer as [SublayerConnection, SublayerConnection, SublayerConnection]
    x = own.forward(x, (y) => {
      const { k, v } = this.self_attn.keyValues(y)
      return this.self_attn.forward(y, cache?.append(k, v) ?? { k, v }, targetKeep)
    })
    x = source.forward(x, (y) => this.src_attn.forward(y, this.src_attn.keyValues(memory), sourceKeep))
    return feeding.forward(x, (y) => this.feed_forward.forward(y))
  }
}

/** Layers and a last norm. */
class Stack<L extends Module> extends Module {
  readonly layers: L[]
  readonly norm: DeviationNorm

  constructor({ N, d_model }: Options, make: () => L) {
    super()
    this.layers = Array.from({ length: N }, make)
    this.norm = new DeviationNorm(d_model)
  }
}

class Embeddings extends Module {
  readonly lut: Embedding

  constructor(vocabulary: number, C: number) {
    super()
    this.lut = new Embedding(vocabulary, C, { init: xavierUniform() })
  }
}

class PositionalEncoding extends Module {
  readonly pe: Buffer
  readonly dropout: Dropout

  constructor({ max_len, d_model, dropout }: Options) {
    super()
    this.pe = new Buffer([1, max_len, d_model], { derive: () => sinusoidalTable(max_len, d_model) })
    this.dropout = new Dropout(dropout)
  }
}

class Generator extends Module {
  readonly proj: Linear

  constructor(C: number, vocabulary: number) {
    super()
    this.proj = linear(C, vocabulary)
  }
}

export interface AnnotatedBatch {
  /** int32 (B, S) */
  source: Tensor2D
  /** int32 (B, T), beginning with the start token. */
  target: Tensor2D
  /** int32 (B, T): the target shifted by one. */
  labels: Tensor2D
}

/**
 * The Transformer of "The Annotated Transformer" (Rush 2018): pre-norm, with a norm of its own kind and a position table
 * of its own names. Taps: `encoder.layers.N.self_attn.pattern`, `decoder.layers.N.src_attn.pattern` and the like.
 */
export class AnnotatedTransformer extends Module implements EncoderDecoderLM<Tensor2D> {
  readonly encoder: Stack<EncoderLayer>
  readonly decoder: Stack<DecoderLayer>
  readonly src_embed: [Embeddings, PositionalEncoding]
  readonly tgt_embed: [Embeddings, PositionalEncoding]
  readonly generator: Generator
  readonly #options: Options

  constructor(config: AnnotatedConfig) {
    super()
    const o = {
      N: 6,
      d_model: 512,
      d_ff: 2048,
      h: 8,
      dropout: 0.1,
      max_len: 5000,
      pad: 0,
      label_smoothing: 0.1,
      ...config,
    }
    mustDivide('AnnotatedTransformer', o, 'd_model', 'h')
    if (o.d_model % 2 !== 0) {
      throw new ConfigError('annotated-width', `AnnotatedTransformer: wanted an even d_model, got ${o.d_model}.`)
    }
    this.encoder = new Stack(o, () => new EncoderLayer(o))
    this.decoder = new Stack(o, () => new DecoderLayer(o))
    this.src_embed = [new Embeddings(o.src_vocab, o.d_model), new PositionalEncoding(o)]
    this.tgt_embed = [new Embeddings(o.tgt_vocab, o.d_model), new PositionalEncoding(o)]
    this.generator = new Generator(o.d_model, o.tgt_vocab)
    this.#options = o
  }

  private embed(ids: Tensor2D, [words, places]: [Embeddings, PositionalEncoding], start = 0): Tensor3D {
    const T = ids.shape[1]
    const { d_model: C, max_len } = this.#options
    if (start + T > max_len) {
      throw new ShapeError(
        'annotated-length',
        `AnnotatedTransformer: wanted at most ${max_len} tokens, got ${start + T}.`,
      )
    }
    const pe = narrow(places.pe.value, 1, start, start + T) // (1, T, C)
    return places.dropout.forward(add(mul(words.lut.forward<Tensor3D>(ids), Math.sqrt(C)), pe))
  }

  /** Sources that are not padding, 1 or 0. int32 (B, S) -> memory (B, S, C) */
  encode(source: Tensor2D): { memory: Tensor3D; memoryMask: Tensor2D } {
    const memoryMask = cast(notEqual(source, this.#options.pad), 'int32')
    const keep = expandDims(memoryMask, 1) // (B, 1, S)
    const embedded = this.embed(source, this.src_embed)
    const x = this.encoder.layers.reduce((y, layer) => tidy(() => layer.forward(y, keep)), embedded)
    return { memory: this.encoder.norm.forward(x), memoryMask }
  }

  /** The decoder's last states, before the generator. -> (B, T, C) */
  states(ids: Tensor2D, { memory, memoryMask }: { memory: Tensor3D; memoryMask?: Tensor2D }, cache?: Cache): Tensor3D {
    const start = cache?.length ?? 0
    const inputs = {
      memory,
      sourceKeep: memoryMask && expandDims(memoryMask, 1),
      targetKeep: this.targetKeep(ids, start),
    }
    const x = this.decoder.layers.reduce(
      (y, layer, i) => tidy(() => layer.forward(y, { ...inputs, cache: cache?.layer(i) })),
      this.embed(ids, this.tgt_embed, start),
    )
    return this.decoder.norm.forward(x)
  }

  /** Earlier targets, and no padding among them; -> (B or 1, T, S). A cache holds no padding. */
  private targetKeep(ids: Tensor2D, start: number): Tensor | undefined {
    const T = ids.shape[1]
    if (start > 0) return T === 1 ? undefined : expandDims(causalKeep(T, start + T), 0)
    const words = expandDims(notEqual(ids, this.#options.pad), 1) // (B, 1, T)
    return keptByAll(words, expandDims(causalKeep(T), 0))
  }

  /** log probabilities of the next token after each of `ids`; with a cache, `ids` are those not yet held. -> (B, T, V) */
  decode(ids: Tensor2D, encoded: { memory: Tensor3D; memoryMask?: Tensor2D }, cache?: Cache): Tensor3D {
    return logSoftmax(this.generator.proj.forward(this.states(ids, encoded, cache)))
  }

  /** KL divergence from the smoothed labels, over the number of labels that are not padding. */
  loss({ source, target, labels }: AnnotatedBatch): Scalar {
    const { pad, label_smoothing } = this.#options
    return labelSmoothingLoss(this.decode(target, this.encode(source)), labels, { pad, smoothing: label_smoothing })
  }

  newCache(batch: number, capacity: number): Cache {
    return new KeyValueCache({ layers: this.decoder.layers.length, batch, capacity })
  }
}
