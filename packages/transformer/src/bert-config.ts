import { activationNamed, ConfigError, configFrom, type Tensor } from '@filature/tensor'
import { mustDivide } from './must-divide.ts'

const PROBLEMS = ['regression', 'single_label_classification', 'multi_label_classification'] as const
export type ProblemType = (typeof PROBLEMS)[number]

/** Keys as in Hugging Face's `config.json`. */
export interface BertConfig {
  vocab_size: number
  hidden_size: number
  num_hidden_layers: number
  num_attention_heads: number
  intermediate_size: number
  max_position_embeddings?: number
  type_vocab_size?: number
  hidden_act?: string
  hidden_dropout_prob?: number
  attention_probs_dropout_prob?: number
  layer_norm_eps?: number
  initializer_range?: number
  pad_token_id?: number | null
  position_embedding_type?: 'absolute' | 'relative_key' | 'relative_key_query'
  /** Dropout before a classifier; hidden_dropout_prob by default. */
  classifier_dropout?: number | null
  tie_word_embeddings?: boolean
  /** Compute each layer again on the way back instead of keeping its activations. */
  gradient_checkpointing?: boolean
  /** Heads that are gone, by layer. */
  pruned_heads?: Readonly<Record<number, readonly number[]>>
  /**
   * What a sequence classifier's loss takes its labels for; when left out, numbers where num_labels is 1, classes where
   * the labels are int32, else several classes at once.
   */
  problem_type?: ProblemType | null
  /** Number of classes of the fine-tuning heads. */
  num_labels?: number
  /** Names of the classes, from which their number follows. */
  id2label?: Readonly<Record<string, string>>
}

export type BertOptions = Required<
  Omit<BertConfig, 'id2label' | 'classifier_dropout' | 'pad_token_id' | 'problem_type'>
> & {
  problem_type: ProblemType | undefined
  classifier_dropout: number
  pad_token_id: number | undefined
}

/** What the parts of a layer read of a configuration: BERT's, or that of a model made of the same parts. */
export interface BertLayerOptions
  extends Pick<
    BertOptions,
    | 'hidden_size'
    | 'num_attention_heads'
    | 'intermediate_size'
    | 'hidden_dropout_prob'
    | 'attention_probs_dropout_prob'
    | 'max_position_embeddings'
    | 'position_embedding_type'
    | 'layer_norm_eps'
    | 'initializer_range'
  > {
  /** A name of Hugging Face's, or the function itself. */
  hidden_act: string | (<T extends Tensor>(x: T) => T)
}

const POSITIONS = ['absolute', 'relative_key', 'relative_key_query']

/** Fills in the defaults and refuses what cannot be built. */
export function completeBert(config: BertConfig): BertOptions {
  const { id2label, ...given } = config
  const options = {
    max_position_embeddings: 512,
    type_vocab_size: 2,
    hidden_act: 'gelu',
    hidden_dropout_prob: 0.1,
    attention_probs_dropout_prob: 0.1,
    layer_norm_eps: 1e-12,
    initializer_range: 0.02,
    position_embedding_type: 'absolute' as const,
    tie_word_embeddings: true,
    gradient_checkpointing: false,
    pruned_heads: {},
    num_labels: id2label ? Object.keys(id2label).length : 2,
    ...given,
    problem_type: config.problem_type ?? undefined,
    pad_token_id: config.pad_token_id === null ? undefined : (config.pad_token_id ?? 0),
    classifier_dropout: config.classifier_dropout ?? config.hidden_dropout_prob ?? 0.1,
  }
  mustDivide('Bert', options, 'hidden_size', 'num_attention_heads')
  activationNamed(options.hidden_act)
  if (!POSITIONS.includes(options.position_embedding_type)) {
    throw new ConfigError(
      'bert-positions',
      `Bert: wanted position_embedding_type ${POSITIONS.join(', ')}, got '${options.position_embedding_type}'.`,
    )
  }
  if (options.problem_type !== undefined && !PROBLEMS.includes(options.problem_type)) {
    throw new ConfigError(
      'bert-problem',
      `Bert: wanted problem_type ${PROBLEMS.join(', ')}, got '${options.problem_type}'.`,
    )
  }
  return options
}

/** A hub's `config.json` as a configuration; a key that is unknown here is refused, not ignored. */
export function bertConfig(json: Record<string, unknown>): BertConfig {
  const config = configFrom<BertConfig>(
    {
      who: 'Bert',
      // biome-ignore format: a list
      known: [
        'vocab_size', 'hidden_size', 'num_hidden_layers', 'num_attention_heads', 'intermediate_size',
        'max_position_embeddings', 'type_vocab_size', 'hidden_act', 'hidden_dropout_prob',
        'attention_probs_dropout_prob', 'layer_norm_eps', 'initializer_range', 'pad_token_id',
        'position_embedding_type', 'classifier_dropout', 'tie_word_embeddings', 'pruned_heads', 'gradient_checkpointing', 'num_labels', 'id2label', 'problem_type',
      ],
      // biome-ignore format: a list
      neutral: [
        'chunk_size_feed_forward', 'directionality', 'pooler_fc_size', 'pooler_num_attention_heads',
        'pooler_num_fc_layers', 'pooler_size_per_head', 'pooler_type', 'max_length',
      ],
      off: {
        model_type: ['bert'], // RoBERTa's keys are the same, but it counts positions from elsewhere
        is_decoder: [false],
        add_cross_attention: [false],
        is_encoder_decoder: [false],
      },
    },
    json,
  )
  completeBert(config)
  return config
}

const base = { hidden_size: 768, num_hidden_layers: 12, num_attention_heads: 12, intermediate_size: 3072 }
const large = { hidden_size: 1024, num_hidden_layers: 24, num_attention_heads: 16, intermediate_size: 4096 }
const small = (L: number, C: number) => ({
  vocab_size: 30522,
  hidden_size: C,
  num_hidden_layers: L,
  num_attention_heads: C / 64,
  intermediate_size: 4 * C,
})

/** Configurations by their published names. */
export const bertPresets = {
  'bert-base-uncased': { ...base, vocab_size: 30522 },
  'bert-base-cased': { ...base, vocab_size: 28996 },
  'bert-base-multilingual-cased': { ...base, vocab_size: 119547 },
  'bert-base-multilingual-uncased': { ...base, vocab_size: 105879 },
  'bert-base-chinese': { ...base, vocab_size: 21128 },
  'bert-base-german-cased': { ...base, vocab_size: 30000 },
  'bert-large-uncased': { ...large, vocab_size: 30522 },
  'bert-large-cased': { ...large, vocab_size: 28996 },
  'google/bert_uncased_L-2_H-128_A-2': small(2, 128),
  'google/bert_uncased_L-4_H-256_A-4': small(4, 256),
  'google/bert_uncased_L-4_H-512_A-8': small(4, 512),
  'google/bert_uncased_L-8_H-512_A-8': small(8, 512),
} as const satisfies Record<string, BertConfig>
