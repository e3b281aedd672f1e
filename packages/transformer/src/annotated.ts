import { causalKeep, KeyValueCache, keptByAll, sinusoidalTable } from '@filature/attention'
import {
  add,
  Buffer,
  type Cache,
  ConfigError,
  cast,
  Dropout,
  Embedding,
  type EncoderDecoderLM,
  expandDims,
  type Linear,
  logSoftmax,
  Module,
  mul,
  narrow,
  notEqual,
  type Scalar,
  ShapeError,
  type Tensor,
  type Tensor2D,
  type Tensor3D,
  tidy,
  xavierUniform,
} from '@filature/tensor'
import {
  type AnnotatedConfig,
  type AnnotatedOptions,
  DecoderLayer,
  DeviationNorm,
  EncoderLayer,
  linear,
} from './annotated-layers.ts'
import { labelSmoothingLoss } from './label-smoothing.ts'
import { mustDivide } from './must-divide.ts'

/** Layers and a last norm. */
class Stack<L extends Module> extends Module {
  readonly layers: L[]
  readonly norm: DeviationNorm

  constructor({ N, d_model }: AnnotatedOptions, make: () => L) {
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

  constructor({ max_len, d_model, dropout }: AnnotatedOptions) {
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
  readonly #options: AnnotatedOptions

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
