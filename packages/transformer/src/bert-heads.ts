import {
  activationNamed,
  add,
  bceWithLogitsLoss,
  ConfigError,
  crossEntropy,
  Dropout,
  full,
  greaterEqual,
  LayerNorm,
  Linear,
  less,
  logicalAnd,
  Module,
  mseLoss,
  mul,
  normal,
  Parameter,
  type Scalar,
  ShapeError,
  squeeze,
  type Tensor,
  type Tensor1D,
  type Tensor2D,
  type Tensor3D,
  type Trainable,
  unstack,
  where,
  zerosInit,
} from '@filature/tensor'
import { type BertInputs, BertModel } from './bert.ts'
import { type BertConfig, type BertOptions, completeBert, type ProblemType } from './bert-config.ts'

const linear = (ins: number, outs: number, { initializer_range }: BertOptions) =>
  new Linear(ins, outs, { init: normal(initializer_range), biasInit: zerosInit })

class BertPredictionHeadTransform extends Module {
  readonly dense: Linear
  readonly LayerNorm: LayerNorm
  readonly #act: <T extends Tensor>(x: T) => T

  constructor(options: BertOptions) {
    super()
    this.dense = linear(options.hidden_size, options.hidden_size, options)
    this.LayerNorm = new LayerNorm(options.hidden_size, { eps: options.layer_norm_eps })
    this.#act = activationNamed(options.hidden_act)
  }

  forward(x: Tensor3D): Tensor3D {
    return this.LayerNorm.forward(this.#act(this.dense.forward(x)))
  }
}

/** The product with the word embeddings; its bias stands in the checkpoint twice. */
class Decoder extends Module {
  readonly weight: Parameter
  readonly bias: Parameter

  constructor(weight: Parameter, bias: Parameter) {
    super()
    this.weight = weight
    this.bias = bias
  }
}

/** Scores of the vocabulary at each token. (B, T, C) -> (B, T, V) */
class BertLMPredictionHead extends Module {
  readonly transform: BertPredictionHeadTransform
  readonly bias: Parameter
  readonly decoder: Decoder
  readonly #product: Linear

  constructor(options: BertOptions, words: Parameter) {
    super()
    const { hidden_size: C, vocab_size: V, initializer_range } = options
    this.transform = new BertPredictionHeadTransform(options)
    this.bias = new Parameter([V], zerosInit)
    const weight = options.tie_word_embeddings ? words : new Parameter([V, C], normal(initializer_range))
    this.#product = new Linear(C, V, { bias: false, weight })
    this.decoder = new Decoder(weight, this.bias)
  }

  forward(x: Tensor3D): Tensor3D {
    return add(this.#product.forward(this.transform.forward(x)), this.bias.value)
  }
}

class BertOnlyMLMHead extends Module {
  readonly predictions: BertLMPredictionHead

  constructor(options: BertOptions, words: Parameter) {
    super()
    this.predictions = new BertLMPredictionHead(options, words)
  }
}

class BertPreTrainingHeads extends BertOnlyMLMHead {
  readonly seq_relationship: Linear

  constructor(options: BertOptions, words: Parameter) {
    super(options, words)
    this.seq_relationship = linear(options.hidden_size, 2, options)
  }
}

export interface MaskedBatch extends BertInputs {
  /** The word at each masked token, int32 (B, T); -100 elsewhere. */
  labels: Tensor2D
}

export interface PreTrainingBatch extends MaskedBatch {
  /** 0 where the second segment follows the first, 1 where it does not: int32 (B). */
  nextSentenceLabels: Tensor1D
}

/** Masked words and next sentences: BERT's pretraining. */
export class BertForPreTraining extends Module implements Trainable<PreTrainingBatch> {
  readonly bert: BertModel
  readonly cls: BertPreTrainingHeads

  constructor(config: BertConfig) {
    super()
    this.bert = new BertModel(config)
    this.cls = new BertPreTrainingHeads(completeBert(config), this.bert.embeddings.word_embeddings.weight)
  }

  /** words (B, T, V); next (B, 2), class 0 says that the second segment follows. */
  scores(inputs: BertInputs): { words: Tensor3D; next: Tensor2D } {
    const { states, pooled } = this.bert.pooled(inputs)
    return { words: this.cls.predictions.forward(states), next: this.cls.seq_relationship.forward(pooled) }
  }

  loss({ labels, nextSentenceLabels, ...inputs }: PreTrainingBatch): Scalar {
    const { words, next } = this.scores(inputs)
    return add(crossEntropy(words, labels), crossEntropy(next, nextSentenceLabels)) as Scalar
  }
}

/** Masked words alone, without a pooler. */
export class BertForMaskedLM extends Module implements Trainable<MaskedBatch> {
  readonly bert: BertModel
  readonly cls: BertOnlyMLMHead

  constructor(config: BertConfig) {
    super()
    this.bert = new BertModel(config, { pooler: false })
    this.cls = new BertOnlyMLMHead(completeBert(config), this.bert.embeddings.word_embeddings.weight)
  }

  /** -> (B, T, V) */
  forward(inputs: BertInputs): Tensor3D {
    return this.cls.predictions.forward(this.bert.forward(inputs))
  }

  loss({ labels, ...inputs }: MaskedBatch): Scalar {
    return crossEntropy(this.forward(inputs), labels) as Scalar
  }
}

export interface ClassificationBatch extends BertInputs {
  /** int32 (B) classes; float (B, num_labels) of 0 and 1 for several classes at once; float (B) or (B, num_labels) numbers. */
  labels: Tensor
}

/** A class, or a number, for each sequence. */
export class BertForSequenceClassification extends Module implements Trainable<ClassificationBatch> {
  readonly bert: BertModel
  readonly dropout: Dropout
  readonly classifier: Linear
  readonly #problem: ProblemType | undefined

  constructor(config: BertConfig) {
    super()
    const options = completeBert(config)
    this.#problem = options.problem_type
    this.bert = new BertModel(config)
    this.dropout = new Dropout(options.classifier_dropout)
    this.classifier = linear(options.hidden_size, options.num_labels, options)
  }

  /** -> (B, num_labels) */
  forward(inputs: BertInputs): Tensor2D {
    return this.classifier.forward(this.dropout.forward(this.bert.pooled(inputs).pooled))
  }

  /**
   * By `problem_type`: mean squared error for numbers, cross-entropy for classes, binary cross-entropy of each class where
   * several may hold at once.
   */
  loss({ labels, ...inputs }: ClassificationBatch): Scalar {
    const scores = this.forward(inputs)
    const classes = scores.shape[1]
    const problem =
      this.#problem ??
      (classes === 1
        ? 'regression'
        : labels.dtype === 'int32'
          ? 'single_label_classification'
          : 'multi_label_classification')
    const dtype = problem === 'single_label_classification' ? 'int32' : 'float32'
    if (labels.dtype !== dtype) {
      throw new ConfigError(
        'bert-labels',
        `BertForSequenceClassification: wanted ${dtype} labels for ${problem} with num_labels ${classes}, ` +
          `got ${labels.dtype}; convert them, or set problem_type.`,
      )
    }
    if (problem === 'single_label_classification') return crossEntropy(scores, labels) as Scalar
    const wanted = labels.rank === 1 && classes === 1 ? squeeze(scores, [1]) : scores
    if (wanted.shape.join() !== labels.shape.join()) {
      throw new ShapeError(
        'bert-labels',
        `BertForSequenceClassification: wanted float targets of [${wanted.shape}], got [${labels.shape}].`,
      )
    }
    return (problem === 'regression' ? mseLoss(wanted, labels) : bceWithLogitsLoss(wanted, labels)) as Scalar
  }
}

/** A class for each token. */
export class BertForTokenClassification extends Module implements Trainable<MaskedBatch> {
  readonly bert: BertModel
  readonly dropout: Dropout
  readonly classifier: Linear

  constructor(config: BertConfig) {
    super()
    const options = completeBert(config)
    this.bert = new BertModel(config, { pooler: false })
    this.dropout = new Dropout(options.classifier_dropout)
    this.classifier = linear(options.hidden_size, options.num_labels, options)
  }

  /** -> (B, T, num_labels) */
  forward(inputs: BertInputs): Tensor3D {
    return this.classifier.forward(this.dropout.forward(this.bert.forward(inputs)))
  }

  /** Mean over the labels that are not -100. */
  loss({ labels, ...inputs }: MaskedBatch): Scalar {
    return crossEntropy(this.forward(inputs), labels) as Scalar
  }
}

export interface SpanBatch extends BertInputs {
  /** First and last token of the answer, int32 (B). */
  starts: Tensor1D
  ends: Tensor1D
}

/** Where an answer starts and ends. */
export class BertForQuestionAnswering extends Module implements Trainable<SpanBatch> {
  readonly bert: BertModel
  readonly qa_outputs: Linear

  constructor(config: BertConfig) {
    super()
    const options = completeBert(config)
    this.bert = new BertModel(config, { pooler: false })
    this.qa_outputs = linear(options.hidden_size, 2, options)
  }

  /** Scores of each token as start and as end, (B, T) both. */
  forward(inputs: BertInputs): { starts: Tensor2D; ends: Tensor2D } {
    const [starts, ends] = unstack<Tensor2D>(this.qa_outputs.forward(this.bert.forward(inputs)), 2) as [
      Tensor2D,
      Tensor2D,
    ]
    return { starts, ends }
  }

  /** A position beyond the text (a span that was cut off) does not count, as in Hugging Face's. */
  loss({ starts, ends, ...inputs }: SpanBatch): Scalar {
    const scores = this.forward(inputs)
    const T = scores.starts.shape[1]
    const spans = [crossEntropy(scores.starts, within(starts, T)), crossEntropy(scores.ends, within(ends, T))] as const
    return mul(add(spans[0], spans[1]), 0.5) as Scalar
  }
}

/** Positions from 0 to T - 1; others become -100, which the loss leaves out. */
function within(positions: Tensor1D, T: number): Tensor1D {
  const inside = logicalAnd(greaterEqual(positions, 0), less(positions, T))
  return where(inside, positions, full(positions.shape, -100, 'int32'))
}
