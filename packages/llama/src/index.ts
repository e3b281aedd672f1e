export { type LlamaConfig, llamaPresets } from './config.ts'
export { fromLlama2c, ggufDialect, type Llama2cConfig, metaDialect } from './dialects.ts'
export { fromGguf } from './gguf.ts'
export { llamaConfig } from './hub-config.ts'
export {
  Llama,
  LlamaAttention,
  LlamaDecoderLayer,
  type LlamaLossOptions,
  LlamaMLP,
  LlamaModel,
} from './llama.ts'
export { fromMeta, type MetaModel, type MetaParams } from './meta.ts'
export type { RopeScaling } from './rope-scaling.ts'
export { SlicedLinear } from './sliced-linear.ts'
