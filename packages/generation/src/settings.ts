import { ConfigError, Rng } from '@filature/tensor'
import { chain, type LogitsProcessor } from './logits-processor.ts'
import type { GenerateOptions, TextStream } from './options.ts'
import {
  badWords,
  forcedBos,
  forcedEos,
  minLength,
  minNewTokens,
  noRepeatNgram,
  repetitionPenalty,
  suppress,
  suppressAtBegin,
} from './processors.ts'
import { minP, temperature, topK, topP, typicalP } from './warpers.ts'

/** Options with their defaults, checked once against the prompt. */
export interface Settings {
  readonly maxLength: number
  readonly eosIds: readonly number[]
  readonly padId: number
  readonly stopSequences: readonly (readonly number[])[]
  readonly stopStrings: readonly string[]
  readonly text: (() => TextStream) | undefined
  /** Restrictions and penalties, then what shapes sampling. */
  readonly process: LogitsProcessor
  readonly rng: Rng | undefined
  readonly numBeams: number
  readonly lengthPenalty: number
  readonly earlyStopping: boolean | 'never'
  readonly numReturnSequences: number
  readonly useCache: boolean
  readonly returnScores: boolean
  readonly signal: AbortSignal | undefined
}

const refuse = (message: string): never => {
  throw new ConfigError('generation-option', `generation: ${message}`)
}

export const listOf = (ids: number | readonly number[] | undefined): readonly number[] =>
  ids === undefined ? [] : typeof ids === 'number' ? [ids] : ids

/** @param promptLength tokens that the row of ids begins with */
export function settle(options: GenerateOptions, promptLength: number): Settings {
  const eosIds = listOf(options.eosIds)
  const numBeams = whole('numBeams', options.numBeams ?? 1)
  const numReturnSequences = whole('numReturnSequences', options.numReturnSequences ?? 1)
  const stopStrings = options.stopStrings ?? []
  const stopSequences = options.stopSequences ?? []
  if (numReturnSequences > numBeams) {
    refuse(`numReturnSequences ${numReturnSequences} is more than numBeams ${numBeams}; raise numBeams.`)
  }
  if (stopStrings.length > 0 && !options.text) {
    refuse('stopStrings need text; pass text: () => tokenizer.decodeStream({ skipSpecialTokens: true }).')
  }
  if (stopStrings.includes('') || stopSequences.some((ids) => ids.length === 0)) refuse('a stop is empty.')
  if (options.sample && options.rng === undefined) refuse('sample needs rng: a seed, or an Rng.')
  if (numBeams > 1) {
    if (options.sample) refuse('sample and numBeams above 1 do not go together; choose one.')
    if (stopStrings.length > 0 || stopSequences.length > 0)
      refuse('a beam search ends by eosIds only; leave out the stops.')
    if (options.returnScores) refuse('returnScores is not supported in a beam search.')
  }
  const { lengthPenalty = 1, earlyStopping = false } = options
  if (!Number.isFinite(lengthPenalty)) refuse(`wanted lengthPenalty to be a finite number, got ${lengthPenalty}.`)
  if (typeof earlyStopping !== 'boolean' && earlyStopping !== 'never') {
    refuse(`wanted earlyStopping to be true, false or 'never', got ${JSON.stringify(earlyStopping)}.`)
  }
  const maxLength = lengthLimit(options, promptLength)
  return {
    maxLength,
    eosIds,
    padId: options.padId ?? eosIds[0] ?? 0,
    stopSequences,
    stopStrings,
    text: options.text,
    process: chain([
      ...restrictions(options, { eosIds, maxLength, promptLength }),
      ...(options.sample ? shapes(options) : []),
    ]),
    rng: options.sample ? (typeof options.rng === 'number' ? new Rng(options.rng) : options.rng) : undefined,
    numBeams,
    lengthPenalty,
    earlyStopping,
    numReturnSequences,
    useCache: options.useCache ?? true,
    returnScores: options.returnScores ?? false,
    signal: options.signal,
  }
}

function whole(option: string, value: number): number {
  return Number.isInteger(value) && value >= 1
    ? value
    : refuse(`wanted ${option} to be a whole number from 1, got ${value}.`)
}

function lengthLimit({ maxNewTokens, maxLength }: GenerateOptions, promptLength: number): number {
  if (maxNewTokens !== undefined) return promptLength + whole('maxNewTokens', maxNewTokens)
  if (maxLength === undefined) return refuse('wanted maxNewTokens or maxLength; say how long the text may become.')
  if (whole('maxLength', maxLength) <= promptLength) {
    refuse(`maxLength ${maxLength} leaves no room behind a prompt of ${promptLength}; use maxNewTokens.`)
  }
  return maxLength
}

/** Whether a number is given that has an effect; NaN is, so that its processor refuses it. */
const isOn = (value: number | undefined): value is number => value !== undefined && value !== 0

/** In the reference's order. */
function restrictions(
  options: GenerateOptions,
  { eosIds, maxLength, promptLength }: { eosIds: readonly number[]; maxLength: number; promptLength: number },
): LogitsProcessor[] {
  const out: LogitsProcessor[] = []
  const { repetitionPenalty: penalty, noRepeatNgram: ngram } = options
  if (penalty !== undefined && penalty !== 1) out.push(repetitionPenalty(penalty))
  if (isOn(ngram)) out.push(noRepeatNgram(ngram))
  if (options.badWords?.length) out.push(badWords(options.badWords))
  if (isOn(options.minLength) && eosIds.length > 0) out.push(minLength(options.minLength, eosIds))
  if (isOn(options.minNewTokens) && eosIds.length > 0) out.push(minNewTokens(options.minNewTokens, eosIds))
  if (options.forcedBosId !== undefined) out.push(forcedBos(options.forcedBosId))
  const last = listOf(options.forcedEosIds)
  if (last.length > 0) out.push(forcedEos(maxLength, last))
  if (options.suppressIds?.length) out.push(suppress(options.suppressIds))
  if (options.beginSuppressIds?.length) {
    const forced = options.forcedBosId !== undefined && promptLength === 1 ? 1 : 0
    out.push(suppressAtBegin(options.beginSuppressIds, forced))
  }
  return [...out, ...(options.processors ?? [])]
}

function shapes(options: GenerateOptions): LogitsProcessor[] {
  const out: LogitsProcessor[] = []
  if (options.temperature !== undefined && options.temperature !== 1) out.push(temperature(options.temperature))
  if (isOn(options.topK)) out.push(topK(options.topK))
  if (options.topP !== undefined && !(options.topP >= 1)) out.push(topP(options.topP))
  if (isOn(options.minP)) out.push(minP(options.minP))
  if (options.typicalP !== undefined && !(options.typicalP >= 1)) out.push(typicalP(options.typicalP))
  return out
}
