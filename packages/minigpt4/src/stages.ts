import { ConfigError, freeze, parametersOf } from '@filature/tensor'
import type { MiniGPT4 } from './minigpt4.ts'

/**
 * What each published recipe trains. MiniGPT-4's two stages both train the projection alone (first on many short
 * captions, then on few long ones, in the conversation's prompts); MiniGPT-v2 trains the projection and LoRA updates of
 * the language model.
 */
export const trainingStages = {
  'minigpt4-stage1': /^llama_proj\./,
  'minigpt4-stage2': /^llama_proj\./,
  'minigpt-v2': /^llama_proj\.|\.lora_[AB]\./,
  /** Everything: for models that are trained from scratch. */
  all: /./,
} as const satisfies Record<string, RegExp>

export type TrainingStage = keyof typeof trainingStages

/** Freezes all that the stage does not train; returns the paths that are trained. */
export function applyStage(model: MiniGPT4, stage: TrainingStage): string[] {
  const trained = trainingStages[stage]
  if (!trained) {
    throw new ConfigError(
      'minigpt4-stage',
      `MiniGPT4: wanted a stage of ${Object.keys(trainingStages).join(', ')}, got '${stage}'.`,
    )
  }
  const frozen = new Set(freeze(model, (path) => !trained.test(path)))
  return [...parametersOf(model).keys()].filter((path) => !frozen.has(path))
}
