export { Conversation, type ConversationTemplate, conversationTemplates } from './conversation.ts'
export { peftDialect } from './dialects.ts'
export { ImageEncoder, type ImageEncoderParts } from './encode-image.ts'
export {
  type Embedded,
  MiniGPT4,
  type MiniGPT4Options,
  type MiniGPT4Parts,
  type Question,
  type TrainingInputs,
} from './minigpt4.ts'
export {
  type ConversationSamples,
  type InstructionSamples,
  prepareTargets,
  type Samples,
  type TargetOptions,
  type Targets,
} from './samples.ts'
export { applyStage, type TrainingStage, trainingStages } from './stages.ts'
export { fillTemplate, IMAGE, type TextCodec } from './text.ts'
