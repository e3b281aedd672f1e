import {
  activationNamed,
  type Cache,
  ConfigError,
  type CrossEntropyOptions,
  crossEntropy,
  LayerNorm,
  Linear,
  Module,
  narrow,
  normal,
  Parameter,
  type Rng,
  type Scalar,
  sum,
  type Tensor,
  type Tensor1D,
  type Tensor2D,
  type Tensor3D,
  zerosInit,
} from '@filature/tensor'
import { complete, type Options, type QFormerConfig } from './config.ts'
import { QFormer, type QFormerInputs } from './qformer.ts'
import { resizedRows } from './resized-rows.ts'

/** Dense layer, activation and norm in front of the vocabulary. */
class PredictionTransform extends Module {
  readonly dense: Linear
  readonly LayerNorm: LayerNorm
  readonly #act: <T extends Tensor>(x: T) => T

  constructor(o: Options) {
    super()
    this.dense = new Linear(o.hidden_size, o.hidden_size, { init: normal(o.initializer_range), biasInit: zerosInit })
    this.LayerNorm = new LayerNorm(o.hidden_size, { eps: o.layer_norm_eps })
    this.#act = activationNamed(o.hidden_act)
  }

  forward(x: Tensor3D): Tensor3D {
    return this.LayerNorm.forward(this.#act(this.dense.forward(x)))
  }
}

class LMPredictionHead extends Module {
  bias: Parameter
  readonly transform: PredictionTransform
  /** Tied to the word embeddings, and to `bias`. */
  decoder: Linear

  constructor(o: Options, wordEmbeddings: Parameter) {
    super()
    this.bias = new Parameter([o.vocab_size], zerosInit)
    this.transform = new PredictionTransform(o)
    this.decoder = new Linear(o.hidden_size, o.vocab_size, { weight: wordEmbeddings, bias: this.bias })
  }

  forward(x: Tensor3D): Tensor3D {
    return this.decoder.forward(this.transform.forward(x))
  }

  /** Scores the words of another table, new ones with a bias of zero. */
  resize(wordEmbeddings: Parameter, rng: Rng): void {
    const [V, C] = wordEmbeddings.shape as [number, number]
    const before = this.bias
    this.bias = resizedRows(before, V, zerosInit, rng)
    this.decoder = new Linear(C, V, { weight: wordEmbeddings, bias: this.bias })
    before.dispose()
  }
}

class MLMHead extends Module {
  readonly predictions: LMPredictionHead

  constructor(o: Options, wordEmbeddings: Parameter) {
    super()
    this.predictions = new LMPredictionHead(o, wordEmbeddings)
  }
}

/** What both models with a vocabulary head share: the Q-Former under `bert`, the head under `cls`. */
abstract class WithVocabulary extends Module {
  readonly bert: QFormer
  readonly cls: MLMHead

  constructor(config: QFormerConfig) {
    super()
    if (config.text_branch === false) {
      throw new ConfigError(
        'qformer-text',
        `${new.target.name}: a vocabulary head needs the text branch; drop text_branch: false.`,
      )
    }
    this.bert = new QFormer(config)
    this.cls = new MLMHead(complete(config), this.bert.embeddings.word_embeddings!.weight)
  }

  /** Makes room for another number of words, in the embeddings and in the head: the first rows stay. */
  resizeVocabulary(vocab_size: number, rng: Rng): void {
    this.bert.resizeVocabulary(vocab_size, rng)
    this.cls.predictions.resize(this.bert.embeddings.word_embeddings!.weight, rng)
  }

  /** Scores of the text positions. -> (B, T, V) */
  protected textLogits(inputs: QFormerInputs): Tensor3D {
    const x = this.bert.forward(inputs)
    const text = narrow(x, 1, inputs.query_embeds?.shape[1] ?? 0)
    return this.cls.predictions.forward(text)
  }
}

export interface LMLossOptions {
  /** 'mean' over the labels that count, or the sum of each sample. */
  reduction?: 'mean' | 'none'
}

/** The Q-Former as a generator of text behind its queries. */
export class QFormerForCausalLM extends WithVocabulary {
  /** -> (B, T, V) */
  forward(inputs: QFormerInputs & { cache?: Cache | undefined }): Tensor3D {
    return this.textLogits({ is_decoder: true, ...inputs })
  }

  /** Scores of every position but the last, as a ranking loss wants them. -> (B, T - 1, V) */
  shiftedLogits(inputs: QFormerInputs): Tensor3D {
    return narrow(this.forward(inputs), 1, 0, -1)
  }

  /**
   * Next-token loss with label smoothing 0.1, as in the reference; labels int32 (B, T), -100 ignored.
   * @returns a scalar, or with reduction 'none' the sum of each sample (B)
   */
  loss(inputs: QFormerInputs, labels: Tensor2D, options: LMLossOptions & { reduction: 'none' }): Tensor1D
  loss(inputs: QFormerInputs, labels: Tensor2D, options?: LMLossOptions): Scalar
  loss(inputs: QFormerInputs, labels: Tensor2D, { reduction = 'mean' }: LMLossOptions = {}): Scalar | Tensor1D {
    return causalLoss(this.forward(inputs), labels, reduction)
  }
}

/** Label-smoothed next-token loss. logits (B, T, V), labels (B, T) */
export function causalLoss(logits: Tensor3D, labels: Tensor2D, reduction: 'mean' | 'none'): Scalar | Tensor1D {
  const options: CrossEntropyOptions = { labelSmoothing: 0.1, reduction }
  const loss = crossEntropy(narrow(logits, 1, 0, -1), narrow(labels, 1, 1), options)
  return reduction === 'none' ? sum<Tensor1D>(loss, 1) : (loss as Scalar)
}

/** The Q-Former as a filler of masked words. */
export class QFormerForMaskedLM extends WithVocabulary {
  /** -> (B, T, V) */
  forward(inputs: QFormerInputs): Tensor3D {
    return this.textLogits(inputs)
  }

  /** Mean cross-entropy over the labels that are not -100; labels int32 (B, T). */
  loss(inputs: QFormerInputs, labels: Tensor2D): Scalar {
    return crossEntropy(this.forward(inputs), labels) as Scalar
  }
}
