import type { Llama } from '@filature/llama'
import { evaluateTokens } from '../run/evaluate-tokens.ts'

/** Nats per token and bits per byte over a row of ids, in windows of the model's context. */
export const evaluateLlama = (model: Llama, tokens: Int32Array, bytes: number) =>
  evaluateTokens(model, tokens, { length: model.config.max_position_embeddings!, bytes })
