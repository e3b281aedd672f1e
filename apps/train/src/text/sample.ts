import { stream } from '@filature/generation'
import type { CausalLM, Rng } from '@filature/tensor'
import type { TextTokens } from './tokens.ts'

/** Tokens of a sample at most: characters say less each. */
const MOST = { tokens: 60, characters: 200 }

/** What the model writes from the beginning of a text, as lines with a margin. */
export async function sample(
  model: CausalLM,
  { tokenizer, boundary }: TextTokens,
  { context, rng }: { context: number; rng: Rng },
): Promise<string> {
  const parts: string[] = []
  const end = tokenizer.special.eos
  for await (const { text } of stream(model, [boundary], {
    maxNewTokens: Math.min(end === undefined ? MOST.characters : MOST.tokens, context - 1),
    sample: true,
    temperature: 0.8,
    rng,
    ...(end === undefined ? {} : { eosIds: end }),
    text: () => tokenizer.decodeStream({ skipSpecialTokens: true }),
  })) {
    parts.push(text?.[0] ?? '')
  }
  return parts.join('').trim().replace(/^/gm, '  | ')
}
