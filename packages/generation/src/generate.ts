import {
  type CausalLM,
  currentScope,
  type EncoderDecoderLM,
  enterScope,
  ShapeError,
  UsageError,
} from '@filature/tensor'
import { beamSearch } from './beam-search.ts'
import { decode, type Finish, type Step } from './decode.ts'
import type { Hypothesis } from './hypotheses.ts'
import type { GenerateOptions, TextStream } from './options.ts'
import { type CausalPrompt, readPrompt, requireTokenIds, type SourcePrompt } from './prompt.ts'
import { Rows } from './rows.ts'
import { listOf, type Settings, settle } from './settings.ts'
import { CausalStepper, EncoderDecoderStepper, type RunForward, type Stepper } from './stepper.ts'

export interface GeneratedRow {
  /** Generated tokens, the end token included, without padding. */
  readonly ids: readonly number[]
  /** Their text, without a stop string, where the options have `text`. */
  readonly text?: string
  readonly finish: Finish
  /** Beam search: sum of log-probabilities over length ** lengthPenalty, the prompt counted. */
  readonly score?: number
}

export interface Generated {
  /** One for each prompt, or `numReturnSequences` for each, best first. */
  readonly rows: readonly GeneratedRow[]
  /** Prompt, generated tokens and padding, (R, L), flat: as the reference returns them. */
  readonly sequences: { readonly shape: readonly [rows: number, width: number]; readonly ids: Int32Array }
  /** Processed scores of each step, (B, V), flat, where asked for. */
  readonly scores?: readonly Float32Array[]
}

/** A run that is checked; `open` feeds the model for the first time. */
interface Run {
  readonly settings: Settings
  readonly open: () => { readonly rows: Rows; readonly stepper: Stepper }
}

/**
 * Generates behind a prompt: ids, rows of ids, a tokenizer's batch, or embeddings; or from a source, with an
 * encoder-decoder. The run scope at hand (taps, edits) holds for every token.
 */
export function generate(model: CausalLM, prompt: CausalPrompt, options: GenerateOptions): Promise<Generated>
export function generate<S>(
  model: EncoderDecoderLM<S>,
  prompt: SourcePrompt<S>,
  options: GenerateOptions,
): Promise<Generated>
export async function generate<S>(
  model: CausalLM | EncoderDecoderLM<S>,
  prompt: CausalPrompt | SourcePrompt<S>,
  options: GenerateOptions,
): Promise<Generated> {
  const { settings, open } = prepare(model, prompt, options)
  const { rows, stepper } = open()
  try {
    if (settings.numBeams > 1) return fromBeams(await beamSearch(stepper, rows, settings), rows, settings)
    const steps: Step[] = []
    for await (const step of decode(stepper, rows, settings)) steps.push(step)
    return fromSteps(steps, rows, settings)
  } finally {
    stepper[Symbol.dispose]()
  }
}

/**
 * The same token by token: `for await (const { tokens, text } of stream(...))`. Leaving the loop, or the signal, ends
 * the run and frees its cache.
 */
export function stream(model: CausalLM, prompt: CausalPrompt, options: GenerateOptions): AsyncGenerator<Step, void>
export function stream<S>(
  model: EncoderDecoderLM<S>,
  prompt: SourcePrompt<S>,
  options: GenerateOptions,
): AsyncGenerator<Step, void>
export function stream<S>(
  model: CausalLM | EncoderDecoderLM<S>,
  prompt: CausalPrompt | SourcePrompt<S>,
  options: GenerateOptions,
): AsyncGenerator<Step, void> {
  if ((options.numBeams ?? 1) > 1) {
    throw new UsageError('stream-beams', 'stream: a beam search has no text until it ends; use generate.')
  }
  // the scope and the options are those of the call, not of the first token
  const { settings, open } = prepare(model, prompt, options)
  return (async function* () {
    const { rows, stepper } = open()
    try {
      yield* decode(stepper, rows, settings)
    } finally {
      stepper[Symbol.dispose]()
    }
  })()
}

function prepare<S>(
  model: CausalLM | EncoderDecoderLM<S>,
  prompt: CausalPrompt | SourcePrompt<S>,
  options: GenerateOptions,
): Run {
  const scope = currentScope()
  const run: RunForward = (forward) => enterScope(scope, () => (options.run ? options.run(forward) : forward()))
  if ('source' in prompt) return prepareSource(model as EncoderDecoderLM<S>, prompt, options, run)
  const read = readPrompt(prompt, options.padId ?? listOf(options.eosIds)[0] ?? 0, options.bosId)
  const settings = settle(options, read.begin.length / read.batch)
  if (read.embeds && !settings.useCache) {
    throw new UsageError(
      'embeds-uncached',
      'generation: a prompt of embeds is fed once and needs the cache; leave out useCache: false.',
    )
  }
  const open = () => {
    const rows = new Rows(read.begin, read.batch, settings.maxLength)
    const room = settings.maxLength - rows.promptLength
    return { rows, stepper: new CausalStepper(model as CausalLM, read, room, settings.useCache, run) }
  }
  return { settings, open }
}

function prepareSource<S>(
  model: EncoderDecoderLM<S>,
  { source, start }: SourcePrompt<S>,
  options: GenerateOptions,
  run: RunForward,
): Run {
  const width = typeof start === 'number' ? 1 : (start[0]?.length ?? 0)
  if (width === 0 || (typeof start !== 'number' && start.some((row) => row.length !== width))) {
    throw new ShapeError('prompt-shape', 'generation: wanted start to be an id, or rows of ids of one length from 1.')
  }
  for (const row of typeof start === 'number' ? [[start]] : start) requireTokenIds('start', row)
  const settings = settle(options, width)
  const open = () => {
    const stepper = new EncoderDecoderStepper(model, source, start, settings.maxLength, settings.useCache, run)
    return { rows: new Rows(stepper.begin, stepper.rows, settings.maxLength), stepper }
  }
  return { settings, open }
}

function fromSteps(steps: readonly Step[], rows: Rows, settings: Settings): Generated {
  const generated = Array.from({ length: rows.count }, (_, row): GeneratedRow => {
    const end = steps.findIndex(({ finish }) => finish[row] !== undefined)
    const own = steps.slice(0, end + 1)
    return {
      ids: own.map(({ tokens }) => tokens[row]!),
      ...(settings.text ? { text: own.map(({ text }) => text![row]).join('') } : {}),
      finish: steps[end]!.finish[row]!,
    }
  })
  return {
    rows: generated,
    sequences: { shape: [rows.count, rows.length], ids: rows.flat() },
    ...(settings.returnScores ? { scores: steps.map(({ scores }) => scores!) } : {}),
  }
}

function fromBeams(found: readonly (readonly Hypothesis[])[], { promptLength }: Rows, settings: Settings): Generated {
  const { maxLength, eosIds, padId } = settings
  const hypotheses = found.flat()
  const width = Math.min(Math.max(...hypotheses.map(({ ids }) => ids.length)) + 1, maxLength)
  const sequences = new Int32Array(hypotheses.length * width).fill(padId)
  const rows = hypotheses.map(({ ids, score }, row): GeneratedRow => {
    const ended = ids.length < maxLength
    const whole = ended ? [...ids, eosIds[0]!] : [...ids]
    sequences.set(whole, row * width)
    const generated = whole.slice(promptLength)
    return {
      ids: generated,
      ...(settings.text ? { text: textOf(generated, settings.text()) } : {}),
      finish: ended ? 'eos' : 'length',
      score,
    }
  })
  return { rows, sequences: { shape: [hypotheses.length, width], ids: sequences } }
}

function textOf(ids: readonly number[], stream: TextStream): string {
  return ids.map((id) => stream.push(id)).join('') + stream.end()
}
