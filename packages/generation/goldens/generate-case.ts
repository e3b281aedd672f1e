import type { Golden } from '@filature/goldens'
import type { CausalLM, Tensor3D } from '@filature/tensor'
import { type CausalPrompt, type GenerateOptions, generate, optionsFromConfig } from '../src/index.ts'

/**
 * Compares one run of a reference's `generate`: token ids exactly, processed scores of every step (greedy) or scores of
 * the returned sequences (beams) within the case's tolerance, each where the file has them.
 *
 * @param name of the outputs: `<name>.sequences`, or `<name>.tokens`
 * @param options as the reference was called; its keyword arguments go through `optionsFromConfig`
 */
export async function compareRun(
  golden: Golden,
  name: string,
  model: CausalLM,
  prompt: CausalPrompt,
  options: GenerateOptions,
): Promise<void> {
  const beams = (options.numBeams ?? 1) > 1
  const { rows, sequences, scores } = await generate(model, prompt, { ...options, returnScores: !beams })
  const ids = { shape: [...sequences.shape], data: sequences.ids }
  golden.expect(golden.has(`outputs.${name}.tokens`) ? `${name}.tokens` : `${name}.sequences`, ids)
  if (beams && golden.has(`outputs.${name}.sequences_scores`)) {
    golden.expect(
      `${name}.sequences_scores`,
      rows.map(({ score }) => score!),
    )
  }
  if (!beams && golden.has(`outputs.${name}.step_scores`))
    golden.expect(`${name}.step_scores`, byRow(scores!, rows.length))
}

/** Steps of (B, V) as (B, steps, V). */
function byRow(steps: readonly Float32Array[], batch: number) {
  const vocabulary = steps[0]!.length / batch
  const data = new Float64Array(batch * steps.length * vocabulary)
  for (const [step, scores] of steps.entries()) {
    for (let row = 0; row < batch; row++) {
      data.set(scores.subarray(row * vocabulary, (row + 1) * vocabulary), (row * steps.length + step) * vocabulary)
    }
  }
  return { shape: [batch, steps.length, vocabulary], data }
}

/**
 * All runs of a `llama_generate` or `llama_gqa_generate` case with the case's model: its prompts of ids under a mask,
 * and of embeddings under the same. The adapter of a model calls `run: compareGenerateCase`.
 */
export async function compareGenerateCase(golden: Golden, model: CausalLM): Promise<void> {
  const { config } = golden
  const numbers = (name: string) => Int32Array.from(golden.read(name).data)
  const shape = golden.read('inputs.input_ids').shape as [number, number]
  const attentionMask = numbers('inputs.attention_mask')
  const options = (run: object) =>
    optionsFromConfig({
      max_new_tokens: config.max_new_tokens,
      pad_token_id: config.pad_token_id,
      bos_token_id: config.bos_token_id,
      ...withEos({ eos_token_id: config.generate_eos_token_id, ...run }, config.eos_token_id),
    })
  const ids = { shape, ids: numbers('inputs.input_ids'), attentionMask }
  for (const [name, run] of Object.entries<object>(config.runs))
    await compareRun(golden, name, model, ids, options(run))
  const embeds = { embeds: golden.input<Tensor3D>('inputs_embeds'), attentionMask }
  for (const [name, run] of Object.entries<object>(config.inputs_embeds_runs)) {
    await compareRun(golden, name, model, embeds, options(run))
  }
}

/** An end token given as null is the model's own. */
const withEos = (run: { readonly eos_token_id: unknown }, own: number) => ({
  ...run,
  eos_token_id: run.eos_token_id ?? own,
})
