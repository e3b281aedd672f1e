import { HardAttention, type HardSample, scoreFunctionLoss } from '@filature/attention'
import {
  add,
  type Cache,
  cast,
  concat,
  crossEntropy,
  div,
  type EncoderDecoderLM,
  equal,
  frozen,
  full,
  isTraining,
  Linear,
  Module,
  maximum,
  mul,
  neg,
  notEqual,
  type Scalar,
  scalar,
  sub,
  sum,
  type Tensor,
  type Tensor2D,
  type Tensor3D,
  type Trainable,
  UsageError,
  where,
} from '@filature/tensor'
import { type DecoderInputs, RecurrentDecoder } from './decoder.ts'
import { DecoderCache } from './decoder-cache.ts'
import { maskOf, RecurrentEncoder, type RecurrentSource } from './encoder.ts'
import { completeSeq2Seq, type RecurrentSeq2SeqConfig, type Seq2SeqOptions } from './seq2seq-config.ts'

export interface RecurrentTranslationBatch {
  source: RecurrentSource
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

/** A translator of recurrent networks: reads in both directions, writes with or without attention. */
export class RecurrentSeq2Seq
  extends Module
  implements EncoderDecoderLM<RecurrentSource>, Trainable<RecurrentTranslationBatch>
{
  readonly encoder: RecurrentEncoder
  readonly decoder: RecurrentDecoder
  readonly generator: Linear
  readonly options: Seq2SeqOptions

  constructor(config: RecurrentSeq2SeqConfig) {
    super()
    const options = completeSeq2Seq(config)
    this.options = options
    this.encoder = new RecurrentEncoder(options)
    this.decoder = new RecurrentDecoder(options)
    this.generator = new Linear(options.hidden_size, options.tgt_vocab)
  }

  /** ids int32 (B, S) -> memory (B, S, C) */
  encode(source: RecurrentSource): Encoded {
    const memoryMask = maskOf(source)
    return { memory: this.encoder.forward(source), ...(memoryMask ? { memoryMask } : {}) }
  }

  /** Scores of the next token after each of `ids`; with a cache, `ids` are those not yet held. -> (B, T, V) */
  decode(ids: Tensor2D, encoded: Encoded, cache?: Cache): Tensor3D {
    return this.generator.forward(this.states(ids, encoded, cache))
  }

  /** The decoder's last states, before the vocabulary. -> (B, T, C) */
  states(ids: Tensor2D, encoded: Encoded, cache?: Cache, look?: DecoderInputs['look']): Tensor3D {
    if (cache && !(cache instanceof DecoderCache)) {
      throw new UsageError('cache-kind', 'RecurrentSeq2Seq: wanted a cache of its own; make one with newCache.')
    }
    const { decoder } = this
    const { memory, memoryMask } = encoded
    const { out, state } = decoder.forward(ids, {
      memory,
      memoryMask,
      state: cache?.state ?? decoder.start(memory, memoryMask),
      start: cache?.length ?? 0,
      projected: decoder.attention && cache?.projected(() => decoder.attention!.project(memory)),
      look,
    })
    cache?.advance(state, ids.shape[1])
    return out
  }

  /** Teacher-forced mean cross-entropy over the labels that are neither padding nor -100. */
  loss({ source, target, labels }: RecurrentTranslationBatch): Scalar {
    const { pad_token_id: pad, label_smoothing: labelSmoothing } = this.options
    const wanted =
      pad === undefined ? labels : (where(equal(labels, pad), full(labels.shape, -100, 'int32'), labels) as Tensor2D)
    const encoded = this.encode(source)
    const { attention } = this.decoder
    if (attention instanceof HardAttention && isTraining()) return this.#hardLoss(attention, encoded, target, wanted)
    return crossEntropy(this.decode(target, encoded), wanted, { labelSmoothing }) as Scalar
  }

  /**
   * The cross-entropy of one draw of positions, and the score-function estimator for the draws: the reward of a choice
   * is the log-likelihood of its word over the batch's mean (Xu et al. 2015, section 4.1, with the reward at hand only).
   */
  #hardLoss(attention: HardAttention, encoded: Encoded, target: Tensor2D, labels: Tensor2D): Scalar {
    const { label_smoothing: labelSmoothing, hard_weight } = this.options
    const samples: HardSample[] = []
    const look: DecoderInputs['look'] = (query, inputs) => {
      const sample = attention.sample(query, encoded.memory, inputs)
      samples.push(sample)
      return sample.context
    }
    const scores = this.generator.forward(this.states(target, encoded, undefined, look))
    const loss = crossEntropy(scores, labels, { labelSmoothing }) as Scalar
    const advantage = frozen(() => {
      const kept = cast(notEqual(labels, -100), 'float32') // (B, T)
      const reward = neg(crossEntropy(scores, labels, { reduction: 'none' }))
      const count = maximum(sum(kept), 1)
      const centred = mul(sub(reward, div(sum(reward), count)), kept)
      return mul(centred, div(scalar(labels.size), count)) // the estimator's mean is over all positions
    })
    const logProb = concat(samples.map((s) => s.logProb) as Tensor[], 1) as Tensor2D
    const entropy = concat(samples.map((s) => s.entropy) as Tensor[], 1) as Tensor2D
    return add(loss, mul(scoreFunctionLoss({ logProb, entropy }, advantage), hard_weight))
  }

  newCache(_batch?: number, _capacity?: number): Cache {
    return new DecoderCache()
  }
}
