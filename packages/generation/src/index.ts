export type { Finish, Step } from './decode.ts'
export type { Generated, GeneratedRow } from './generate.ts'
export { generate, stream } from './generate.ts'
export { optionsFromConfig } from './generation-config.ts'
export type { LogitsProcessor, RowState } from './logits-processor.ts'
export { chain } from './logits-processor.ts'
export type { GenerateOptions, TextStream } from './options.ts'
export {
  badWords,
  forcedBos,
  forcedEos,
  minLength,
  minNewTokens,
  noRepeatNgram,
  repetitionPenalty,
  suppress,
  suppressAtBegin,
} from './processors.ts'
export type { CausalPrompt, Embeds, IdBatch, Ids, SourcePrompt } from './prompt.ts'
export { minP, temperature, topK, topP, typicalP } from './warpers.ts'
