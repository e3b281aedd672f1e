export { type LlamaConfig, llamaConfig, llamaPresets, type RopeScaling } from './config.ts'
export { fromLlama2c, ggufDialect, type Llama2cConfig, metaDialect } from './dialects.ts'
export { fromGguf } from './gguf.ts'
export {
  Llama,
  LlamaAttention,
  LlamaDecoderLayer,
  type LlamaLossOptions,
  LlamaMLP,
  LlamaModel,
} from './llama.ts'
export { fromMeta, type MetaModel, type MetaParams } from './meta.ts'
export { SlicedLinear } from './sliced-linear.ts'
