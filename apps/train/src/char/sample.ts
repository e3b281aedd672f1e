import { generateIds } from '@filature/recurrent'
import { Rng } from '@filature/tensor'
import type { TokenBatch } from '@filature/train'
import type { CharRecipe } from './recipe.ts'
import type { CharSettings } from './settings.ts'

/**
 * What the model writes at a step: the classic one from the state at hand, on from the first character of the batch that
 * comes next; the modern one from nothing.
 * @param last at the end of the run, where the classic one writes more
 */
export async function sampleAt(
  { model, vocabulary, state: { carry } }: CharRecipe,
  { preset, seed }: CharSettings,
  { step, batch, last = false }: { step: number; batch: TokenBatch; last?: boolean },
): Promise<string> {
  const rng = new Rng(seed).fork('samples').fork(step)
  const write = async (options: Omit<Parameters<typeof generateIds>[1], 'rng'>) => {
    const ids: number[] = []
    for await (const id of generateIds(model, { rng, ...options })) ids.push(id)
    return vocabulary.decode(ids)
  }
  if (preset === 'classic') {
    const state = batch.fresh ? undefined : carry.value
    return `----\n ${await write({ prompt: [batch.inputs.values[0]!], length: last ? 500 : 200, state })}\n----`
  }
  const start = vocabulary.has('\n') ? '\n' : vocabulary.characters[0]! // where a line begins, if there are lines
  const text = await write({ prompt: vocabulary.encode(start), length: 160, temperature: 0.8 })
  return text.trim().replace(/^/gm, '  | ')
}
