import { ConfigError, type Module } from '@filature/tensor'
import { CharLSTM } from './char-lstm.ts'
import type { CharModel } from './char-model.ts'
import { CharRNN } from './char-rnn.ts'
import { CharVocabulary } from './vocabulary.ts'

/** `config.json` of a character model: all that is needed to build it again. */
export type CharConfig = { readonly vocabulary: readonly string[]; readonly hidden_size: number } & (
  | { readonly model_type: 'char_rnn' }
  | {
      readonly model_type: 'char_lstm'
      readonly embedding_size: number
      readonly num_layers: number
      readonly dropout: number
    }
)

/** The model that a configuration describes, without values, and its vocabulary. */
export function describeCharModel(config: CharConfig): { model: CharModel & Module; vocabulary: CharVocabulary } {
  const { model_type, vocabulary: characters, hidden_size } = config
  if (!Array.isArray(characters) || characters.some((c) => typeof c !== 'string')) {
    throw new ConfigError(
      'char-config',
      `describeCharModel: wanted a list of characters as vocabulary; check config.json.`,
    )
  }
  const vocabulary = new CharVocabulary(characters)
  const vocab_size = vocabulary.size
  if (!(Number.isInteger(hidden_size) && hidden_size >= 1)) {
    throw new ConfigError('char-config', `describeCharModel: wanted hidden_size of at least 1, got ${hidden_size}.`)
  }
  if (model_type === 'char_rnn') return { model: new CharRNN({ vocab_size, hidden_size }), vocabulary }
  if (model_type === 'char_lstm') {
    const { embedding_size, num_layers, dropout } = config
    return { model: new CharLSTM({ vocab_size, embedding_size, hidden_size, num_layers, dropout }), vocabulary }
  }
  throw new ConfigError(
    'char-config',
    `describeCharModel: wanted model_type 'char_rnn' or 'char_lstm', got ${JSON.stringify(model_type)}; check config.json.`,
  )
}
