export { type AnnotatedBatch, AnnotatedTransformer } from './annotated.ts'
export type { AnnotatedConfig } from './annotated-layers.ts'
export {
  BertEmbeddings,
  BertEncoder,
  type BertInputs,
  BertIntermediate,
  BertLayer,
  BertModel,
  BertPooler,
} from './bert.ts'
export { BertAttention, type BertAttentionInputs, BertOutput, BertSelfAttention } from './bert-attention.ts'
export { type BertConfig, type BertLayerOptions, bertConfig, bertPresets } from './bert-config.ts'
export { bertDialects } from './bert-dialects.ts'
export {
  BertForMaskedLM,
  BertForPreTraining,
  BertForQuestionAnswering,
  BertForSequenceClassification,
  BertForTokenClassification,
  type ClassificationBatch,
  type MaskedBatch,
  type PreTrainingBatch,
  type SpanBatch,
} from './bert-heads.ts'
export { Conv1D } from './conv1d.ts'
export {
  type DecoderMasks,
  type EncoderMasks,
  Transformer,
  type TransformerConfig,
  TransformerDecoder,
  TransformerDecoderLayer,
  TransformerEncoder,
  TransformerEncoderLayer,
  type TransformerLayerConfig,
} from './encoder-decoder.ts'
export {
  GPT2Attention,
  type GPT2Batch,
  GPT2Block,
  type GPT2Inputs,
  GPT2LMHeadModel,
  GPT2MLP,
  GPT2Model,
} from './gpt2.ts'
export { type GPT2Config, gpt2Config, gpt2Presets } from './gpt2-config.ts'
export { gpt2Dialects } from './gpt2-dialects.ts'
export { labelSmoothingLoss } from './label-smoothing.ts'
export { NanoGPT, type NanoGPTBatch, type NanoGPTConfig } from './nanogpt.ts'
export { type Seq2SeqConfig, Seq2SeqTransformer, type TranslationBatch } from './seq2seq.ts'
