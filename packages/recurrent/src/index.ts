export { type CharConfig, describeCharModel } from './char/char-config.ts'
export { CharLSTM, type CharLSTMConfig } from './char/char-lstm.ts'
export { type CharModel, type CharState, nextCharacterLoss } from './char/char-model.ts'
export { CharRNN, type CharRNNConfig } from './char/char-rnn.ts'
export { bitsPerCharacter } from './char/evaluate.ts'
export { type GenerateOptions, generateIds } from './char/generate.ts'
export { CharVocabulary } from './char/vocabulary.ts'
export { type JoinedGatesOptions, joinedGates } from './joined-gates.ts'
export { GRU, LSTM, RNN } from './networks.ts'
export {
  type InitialState,
  RecurrentNetwork,
  type RecurrentOptions,
  type RecurrentOutput,
} from './recurrent-network.ts'
export { type DecoderState, RecurrentDecoder } from './seq2seq/decoder.ts'
export { DecoderCache } from './seq2seq/decoder-cache.ts'
export { RecurrentEncoder, type RecurrentSource } from './seq2seq/encoder.ts'
export { RecurrentSeq2Seq, type RecurrentTranslationBatch } from './seq2seq/recurrent-seq2seq.ts'
export { type AttentionKind, attentionKinds, type RecurrentSeq2SeqConfig } from './seq2seq/seq2seq-config.ts'
