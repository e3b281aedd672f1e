export { Conv1D } from './conv1d.ts'
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
export { NanoGPT, type NanoGPTBatch, type NanoGPTConfig } from './nanogpt.ts'
