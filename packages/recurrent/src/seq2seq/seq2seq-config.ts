import { ConfigError } from '@filature/tensor'

/** What a decoder looks at in the source: nothing but the encoder's last state, or positions chosen by one of these. */
export const attentionKinds = ['none', 'additive', 'dot', 'general', 'concat', 'local-m', 'local-p', 'hard'] as const
export type AttentionKind = (typeof attentionKinds)[number]

export interface RecurrentSeq2SeqConfig {
  src_vocab: number
  tgt_vocab: number
  /** Width of the embeddings (256). */
  embedding_size?: number
  /** Width of the decoder and of the memory; each direction of the encoder has half of it (256). */
  hidden_size?: number
  /** Layers of encoder and decoder (1). */
  num_layers?: number
  cell?: 'gru' | 'lstm'
  attention?: AttentionKind
  /** Width of the hidden layer of additive and concat scores, and of local-p's position (`hidden_size`). */
  attention_size?: number
  /** D: positions on each side of local attention's window (10, Luong et al. 2015, section 4.1). */
  local_window?: number
  /**
   * Each step also reads the attentional state of the one before (Luong et al. 2015, section 3.3). Without it all steps
   * of a known target run at once. For Luong's attentions and hard attention; default true.
   */
  input_feeding?: boolean
  dropout?: number
  /** Id that fills up short targets: never a target. */
  pad_token_id?: number
  label_smoothing?: number
  /** What hard attention's score-function loss weighs beside the cross-entropy (0.1). */
  hard_weight?: number
}

export type Seq2SeqOptions = Required<Omit<RecurrentSeq2SeqConfig, 'pad_token_id'>> & {
  pad_token_id: number | undefined
}

/** Fills in the defaults; an option without effect is refused. */
export function completeSeq2Seq(config: RecurrentSeq2SeqConfig): Seq2SeqOptions {
  const hidden = config.hidden_size ?? 256
  const attention = config.attention ?? 'additive'
  if (!attentionKinds.includes(attention)) refuse('attention', attentionKinds.join(', '), attention)
  if (!['gru', 'lstm'].includes(config.cell ?? 'gru')) refuse('cell', 'gru or lstm', config.cell)
  if (hidden % 2 !== 0) refuse('hidden_size', 'an even number: each direction of the encoder has half of it', hidden)
  const steps = attention === 'none' || attention === 'additive'
  if (steps && config.input_feeding !== undefined) {
    const why = attention === 'none' ? 'there is no attention to feed' : "Bahdanau's decoder always reads the context"
    refuse('input_feeding', `none with attention '${attention}' (${why})`, config.input_feeding)
  }
  if (config.local_window !== undefined && !attention.startsWith('local')) {
    refuse('local_window', `none with attention '${attention}'`, config.local_window)
  }
  if (config.hard_weight !== undefined && attention !== 'hard') {
    refuse('hard_weight', `none with attention '${attention}'`, config.hard_weight)
  }
  if (config.attention_size !== undefined && !['additive', 'concat', 'local-p'].includes(attention)) {
    refuse('attention_size', `none with attention '${attention}'`, config.attention_size)
  }
  return {
    embedding_size: 256,
    num_layers: 1,
    cell: 'gru',
    local_window: 10,
    input_feeding: attention !== 'none',
    dropout: 0,
    label_smoothing: 0,
    hard_weight: 0.1,
    pad_token_id: undefined,
    ...config,
    attention,
    hidden_size: hidden,
    attention_size: config.attention_size ?? hidden,
  }
}

function refuse(key: string, wanted: string, got: unknown): never {
  throw new ConfigError('seq2seq-config', `RecurrentSeq2Seq: wanted ${key} ${wanted}, got ${got}.`)
}
