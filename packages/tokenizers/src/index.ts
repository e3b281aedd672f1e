export type { Content } from './base.ts'
export { BaseTokenizer } from './base.ts'
export type { CharTokenizerJson } from './characters.ts'
export { CharTokenizer } from './characters.ts'
export { DecodeStream } from './decode-stream.ts'
export { TokenizerError } from './errors.ts'
export { gpt2Tokenizer } from './gpt2.ts'
export { HuggingFaceTokenizer } from './hugging-face.ts'
export type { TokenizerConfig } from './hugging-face-config.ts'
export { llama2cTokenizer } from './llama2c.ts'
export type { ReadFile } from './load.ts'
export { loadTokenizer } from './load.ts'
export type { SentencePieceOptions } from './sentencepiece.ts'
export { SentencePieceTokenizer } from './sentencepiece.ts'
export type { Piece, SentencePieceModel } from './sentencepiece-model.ts'
export { PieceType, parseSentencePiece } from './sentencepiece-model.ts'
export type { Template, TemplateItem } from './template.ts'
export { bertTemplate, surround, templateOf } from './template.ts'
export type {
  Batch,
  BatchOptions,
  DecodeOptions,
  EncodeOptions,
  Encoding,
  Offset,
  SpecialIds,
  Tokenizer,
} from './tokenizer.ts'
export type { AddedToken, TokenizerJson } from './tokenizer-json.ts'
export type { TrainBpeOptions } from './train-bpe.ts'
export { trainBpe } from './train-bpe.ts'
export { bertTokenizer } from './word-piece.ts'
