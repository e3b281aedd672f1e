import type { HeldDtype } from '@filature/checkpoint'
import {
  activate,
  type BackendOptions,
  describeBackend,
  numberWithin,
  wholeNumber,
  withBackend,
} from '@filature/command-line'
import { type GenerateOptions, generate, stream } from '@filature/generation'
import { ConfigError, parametersOf } from '@filature/tensor'
import { Command, Option } from 'commander'
import { drawingOf } from '../drawing.ts'
import { interruptible } from '../interrupt.ts'
import { type Format, formats, type OpenCausal, openCausal } from './open-causal.ts'

interface GenerateCommandOptions extends BackendOptions {
  prompt: string
  format?: Format
  tokenizer?: string
  dtype?: HeldDtype
  maxNewTokens: number
  temperature?: number
  topK?: number
  topP?: number
  minP?: number
  repetitionPenalty?: number
  beams?: number
  stop?: string[]
  seed?: number
}

/** `filature-infer generate` */
export function generateCommand(): Command {
  const command = new Command('generate')
    .description('Write with a LLaMA or a GPT-2, token by token as they come; Ctrl-C ends the text.')
    .argument(
      '<model>',
      'Hugging Face folder or hub id, a run of filature-train llama or lm, a .gguf, a llama2.c .pt or .bin, a folder of Meta',
    )
    .option('--prompt <text>', 'what the text begins with', '')
    .addOption(new Option('--format <name>', 'of the weights (default: told from the model)').choices(formats))
    .option('--tokenizer <path>', 'folder or file of a tokenizer in place of the one beside the weights')
    .addOption(
      new Option(
        '--dtype <name>',
        'how weights are held: as the file has them (blocks of GGUF, 16-bit floats), or as one of these ' +
          '(default: stored on native, which multiplies by blocks where they lie; else float32)',
      ).choices(['stored', 'float32', 'bf16']),
    )
    .option('--max-new-tokens <n>', 'tokens to write at most', wholeNumber(1), 200)
    .option('--temperature <t>', "0: the likeliest token (default: the model's own, else 0.8)", numberWithin(0, 100))
    .option('--top-k <n>', 'draw from the n likeliest only', wholeNumber(1))
    .option('--top-p <p>', 'draw from the likeliest that make up p together', numberWithin(0, 1))
    .option('--min-p <p>', 'draw from those at least p times as likely as the likeliest', numberWithin(0, 1))
    .option('--repetition-penalty <x>', 'above 1: less of what was there before', numberWithin(0.01))
    .option('--beams <n>', 'beam search in place of sampling; the text comes at the end', wholeNumber(1))
    .option('--stop <texts...>', 'texts at which to end')
    .option('--seed <n>', 'of the draws (default: another each time)', wholeNumber(0))
  return withBackend(command).action(write)
}

async function write(target: string, options: GenerateCommandOptions): Promise<void> {
  const backend = await activate(options)
  const log = (text: string) => process.stderr.write(text)
  const began = performance.now()
  const opened = await openCausal(target, {
    ...(options.format ? { format: options.format } : {}),
    ...(options.tokenizer ? { tokenizer: options.tokenizer } : {}),
    dtype: options.dtype ?? (backend.name === 'native' ? 'stored' : 'float32'),
    onProgress: (part) => process.stderr.isTTY && log(`\rLoading ${(100 * part).toFixed(0)} %`),
  })
  using model = opened.model
  const bytes = [...new Set(parametersOf(model).values())].reduce((sum, { store }) => sum + store.bytes, 0)
  const loading = ((performance.now() - began) / 1000).toFixed(1)
  const size = `${(bytes / 2 ** 20).toFixed(0)} MiB of weights`
  log(
    `${process.stderr.isTTY ? '\r' : ''}${opened.name} (${size}, loaded in ${loading} s) on ${describeBackend(backend)}\n`,
  )
  const prompt = promptIds(opened, options.prompt)
  const settings = settingsOf(opened, prompt, options)
  process.stdout.write(options.prompt)
  const { aborted, tokens, first, seconds } = await interruptible((signal) =>
    show(opened, prompt, { ...settings, signal }),
  )
  const rate = first === undefined ? tokens / seconds : (tokens - 1) / (seconds - first)
  const start = first === undefined ? '' : `, the first after ${first.toFixed(2)} s`
  log(`\n${tokens} tokens in ${seconds.toFixed(2)} s${start}${tokens > 1 ? ` (${rate.toFixed(1)} tokens/s)` : ''}\n`)
  if (aborted) process.exitCode = 130
}

/** The prompt as the model was trained to see it: begun with its bos where the tokenizer says so, or where it is empty. */
function promptIds({ tokenizer, bos }: OpenCausal, prompt: string): number[] {
  const { ids } = tokenizer.encode(prompt)
  if (ids.length > 0) return ids
  if (bos === undefined) {
    throw new ConfigError('generate-prompt', '--prompt: the model has no token to begin with; give at least one word.')
  }
  return [bos]
}

function settingsOf(
  { tokenizer, context, eos, defaults }: OpenCausal,
  prompt: readonly number[],
  options: GenerateCommandOptions,
): GenerateOptions {
  const { topK, topP, minP, repetitionPenalty, stop, seed } = options
  const room = context - prompt.length
  if (room < 1) {
    throw new ConfigError(
      'generate-length',
      `--prompt: it has ${prompt.length} tokens, the model's context ends at ${context}; shorten it.`,
    )
  }
  const beams = options.beams ?? defaults.numBeams ?? 1
  if (beams > 1 && stop) {
    throw new ConfigError('beams-stop', `--stop: beams of ${beams} end by themselves; leave it out, or take --beams 1.`)
  }
  const temperature =
    options.temperature ?? (beams > 1 || defaults.sample === false ? 0 : (defaults.temperature ?? 0.8))
  const { maxLength: _, sample: __, temperature: ___, ...own } = defaults
  return {
    eosIds: eos,
    ...own,
    maxNewTokens: Math.min(options.maxNewTokens, room),
    ...drawingOf({ temperature, beams, seed, shaping: given({ topK, topP, minP }) }),
    ...given({ repetitionPenalty }),
    ...(stop ? { stopStrings: stop } : {}),
    // Primed with the prompt, so that what follows joins on as the tokenizer writes it.
    text: () => {
      const text = tokenizer.decodeStream({ skipSpecialTokens: true })
      for (const id of prompt) text.push(id)
      return text
    },
  }
}

/** Without the entries that were left out. */
function given<T extends object>(options: T): { [K in keyof T]?: NonNullable<T[K]> } {
  return Object.fromEntries(Object.entries(options).filter(([, value]) => value !== undefined)) as {
    [K in keyof T]?: NonNullable<T[K]>
  }
}

async function show({ model }: OpenCausal, prompt: number[], settings: GenerateOptions) {
  const began = performance.now()
  const since = () => (performance.now() - began) / 1000
  let tokens = 0
  let first: number | undefined
  try {
    if ((settings.numBeams ?? 1) > 1) {
      const { rows } = await generate(model, prompt, settings)
      tokens = rows[0]!.ids.length
      process.stdout.write(rows[0]!.text ?? '')
    } else {
      for await (const step of stream(model, prompt, settings)) {
        if (tokens++ === 0) first = since()
        process.stdout.write(step.text![0]!)
      }
    }
  } catch (error) {
    if (!settings.signal?.aborted) throw error
  }
  process.stdout.write('\n')
  return { tokens, first, seconds: since(), aborted: settings.signal?.aborted ?? false }
}
