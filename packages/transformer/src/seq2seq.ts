import { LearnedPositions, sinusoidalPositions } from '@filature/attention'
import {
  add,
  type Cache,
  ConfigError,
  cast,
  crossEntropy,
  Dropout,
  Embedding,
  type EncoderDecoderLM,
  equal,
  full,
  Linear,
  logicalNot,
  Module,
  mul,
  normal,
  notEqual,
  type Scalar,
  type Tensor,
  type Tensor2D,
  type Tensor3D,
  type Trainable,
  where,
} from '@filature/tensor'
import { type DecoderMasks, type EncoderMasks, Transformer, type TransformerConfig } from './encoder-decoder.ts'

export interface Seq2SeqConfig extends TransformerConfig {
  src_vocab: number
  tgt_vocab: number
  positions?: 'sinusoidal' | 'learned'
  /** Greatest length for learned positions. */
  max_positions?: number
  /** Id that fills up short sequences: never attended to, never a target. */
  pad_token_id?: number
  label_smoothing?: number
}

export interface TranslationBatch {
  /** int32 (B, S) */
  source: Tensor2D
  /** int32 (B, T), beginning with the start token. */
  target: Tensor2D
  /** What each target position should predict: int32 (B, T), the target shifted by one; padding and -100 left out. */
  labels: Tensor2D
}

interface Encoded {
  memory: Tensor3D
  /** 1 where a source token counts, (B, S). */
  memoryMask?: Tensor2D
}

/** A translator: embeddings times sqrt(C) plus positions, the Transformer, and a linear layer onto the vocabulary. */
export class Seq2SeqTransformer extends Module implements EncoderDecoderLM<Tensor2D>, Trainable<TranslationBatch> {
  /** `source` (B, S, C), `target` (B, T, C): the embedded sequences. */
  static override readonly taps = ['source', 'target']
  readonly transformer: Transformer
  readonly src_embed: Embedding
  readonly tgt_embed: Embedding
  readonly src_positions: LearnedPositions | undefined
  readonly tgt_positions: LearnedPositions | undefined
  readonly generator: Linear
  readonly positionDropout: Dropout
  readonly config: Seq2SeqConfig

  constructor(config: Seq2SeqConfig) {
    super()
    const { d_model: C, dropout = 0.1, positions = 'sinusoidal', max_positions } = config
    this.config = config
    this.transformer = new Transformer(config)
    const init = normal(1 / Math.sqrt(C)) // times sqrt(C): of one size with the positions
    this.src_embed = new Embedding(config.src_vocab, C, { init, paddingIdx: config.pad_token_id })
    this.tgt_embed = new Embedding(config.tgt_vocab, C, { init, paddingIdx: config.pad_token_id })
    if (positions === 'learned') {
      if (!max_positions) {
        throw new ConfigError('seq2seq-positions', 'Seq2SeqTransformer: learned positions want max_positions.')
      }
      this.src_positions = new LearnedPositions(max_positions, C)
      this.tgt_positions = new LearnedPositions(max_positions, C)
    }
    this.generator = new Linear(C, config.tgt_vocab)
    this.positionDropout = new Dropout(dropout)
  }

  /** ids (B, T) from position `start` on -> (B, T, C) */
  private embed(ids: Tensor2D, table: Embedding, learned: LearnedPositions | undefined, start = 0): Tensor3D {
    const C = this.config.d_model
    const T = ids.shape[1]
    const places = learned?.rows(T, start) ?? sinusoidalPositions(T, C, { start }) // (T, C)
    return this.positionDropout.forward(add(mul(table.forward<Tensor3D>(ids), Math.sqrt(C)), places))
  }

  /** int32 (B, S) -> memory (B, S, C) */
  encode(source: Tensor2D, masks: EncoderMasks = {}): Encoded {
    const pad = this.config.pad_token_id
    const memoryMask = pad === undefined ? undefined : cast(notEqual(source, pad), 'int32')
    const hidden = masks.keyPaddingMask ?? (memoryMask && blocked(memoryMask))
    const embedded = this.tap('source', this.embed(source, this.src_embed, this.src_positions))
    const memory = this.transformer.encoder.forward(embedded, { ...masks, keyPaddingMask: hidden })
    return memoryMask ? { memory, memoryMask } : { memory }
  }

  /** The decoder's last states, before the vocabulary. -> (B, T, C) */
  states(ids: Tensor2D, { memory, memoryMask }: Encoded, masks: DecoderMasks = {}): Tensor3D {
    const start = masks.cache?.length ?? 0
    const embedded = this.tap('target', this.embed(ids, this.tgt_embed, this.tgt_positions, start))
    return this.transformer.decoder.forward(embedded, memory, {
      causal: masks.mask === undefined,
      memoryKeyPaddingMask: memoryMask && blocked(memoryMask),
      ...masks,
    })
  }

  /** Scores of the next token after each of `ids`; with a cache, `ids` are those not yet held. -> (B, T, V) */
  decode(ids: Tensor2D, encoded: Encoded, cache?: Cache): Tensor3D {
    return this.generator.forward(this.states(ids, encoded, { cache }))
  }

  /** Mean cross-entropy over the labels that are neither padding nor -100. */
  loss({ source, target, labels }: TranslationBatch): Scalar {
    const { pad_token_id: pad, label_smoothing: labelSmoothing = 0 } = this.config
    const scores = this.decode(target, this.encode(source))
    const wanted = pad === undefined ? labels : unpadded(labels, pad)
    return crossEntropy(scores, wanted, { labelSmoothing }) as Scalar
  }

  newCache(batch: number, capacity: number): Cache {
    return this.transformer.newCache(batch, capacity)
  }
}

/** A mask of what counts as torch's mask of what does not. */
const blocked = (keep: Tensor2D): Tensor => logicalNot(cast(keep, 'bool'))

/** Padding becomes -100. */
const unpadded = (labels: Tensor2D, pad: number): Tensor2D =>
  where(equal(labels, pad), full(labels.shape, -100, 'int32'), labels) as Tensor2D
