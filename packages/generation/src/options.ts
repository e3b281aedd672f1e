import type { Rng } from '@filature/tensor'
import type { LogitsProcessor } from './logits-processor.ts'

/** Ids to text, as they come; what `decodeStream()` of a tokenizer gives. */
export interface TextStream {
  push(id: number): string
  end(): string
}

/** How to decode. Left out, an option has no effect, except where a default is given. */
export interface GenerateOptions {
  /** At most so many tokens behind the prompt. This or `maxLength` is needed; this one wins. */
  readonly maxNewTokens?: number | undefined
  /** At most so many tokens, the prompt included. */
  readonly maxLength?: number | undefined
  /** No end before the row has so many tokens, the prompt included. */
  readonly minLength?: number | undefined
  readonly minNewTokens?: number | undefined

  /** Tokens that end a row. */
  readonly eosIds?: number | readonly number[] | undefined
  /** Fills finished rows and ragged prompts. Default: the first of `eosIds`, else 0. */
  readonly padId?: number | undefined
  /** Starts the row of ids when the prompt is embeddings; it is never fed to the model. */
  readonly bosId?: number | undefined
  /** Sequences of generated tokens that end a row. */
  readonly stopSequences?: readonly (readonly number[])[] | undefined
  /** Texts that end a row, also across tokens; needs `text`. The row's text ends before them. */
  readonly stopStrings?: readonly string[] | undefined
  /** Makes the decoder of one row's text: `() => tokenizer.decodeStream({ skipSpecialTokens: true })`. */
  readonly text?: (() => TextStream) | undefined

  readonly repetitionPenalty?: number | undefined
  readonly noRepeatNgram?: number | undefined
  readonly badWords?: readonly (readonly number[])[] | undefined
  readonly suppressIds?: readonly number[] | undefined
  readonly beginSuppressIds?: readonly number[] | undefined
  readonly forcedBosId?: number | undefined
  readonly forcedEosIds?: number | readonly number[] | undefined
  /** Own processors, behind all others that restrict, before those that shape sampling. */
  readonly processors?: readonly LogitsProcessor[] | undefined

  /** Draw tokens instead of taking the likeliest. The options below shape the draw and are unused without it. */
  readonly sample?: boolean | undefined
  /** Where draws come from: a stream, or a seed. Needed to sample. */
  readonly rng?: Rng | number | undefined
  readonly temperature?: number | undefined
  readonly topK?: number | undefined
  readonly topP?: number | undefined
  readonly minP?: number | undefined
  readonly typicalP?: number | undefined

  /** More than one: beam search. */
  readonly numBeams?: number | undefined
  /** Exponent of the length that a hypothesis' log-probability is divided by; prompt tokens count. Default 1. */
  readonly lengthPenalty?: number | undefined
  /**
   * When a beam search stops: `true` as soon as `numBeams` hypotheses ended; `false` (default) when none going on is
   * likely to overtake them; `'never'` when none can.
   */
  readonly earlyStopping?: boolean | 'never' | undefined
  /** Hypotheses returned for each prompt, best first. Default 1. */
  readonly numReturnSequences?: number | undefined

  /** Keep keys and values of earlier positions. Default true; false computes every position anew at each token. */
  readonly useCache?: boolean | undefined
  /**
   * Wraps every forward pass, for edits and captures: `run: (forward) => observe(model, edits, forward)`. The run scope
   * at hand when `generate` or `stream` is called holds in any case.
   */
  readonly run?: (<T>(forward: () => T) => T) | undefined
  /** Return the processed scores of each step. */
  readonly returnScores?: boolean | undefined
  /** Aborting ends the run at the next token: its promise rejects, its iterator throws, with the signal's reason. */
  readonly signal?: AbortSignal | undefined
}
