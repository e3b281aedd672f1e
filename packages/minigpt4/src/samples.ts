import { ShapeError, type Tensor } from '@filature/tensor'
import { fillTemplate, type TextCodec } from './text.ts'

/** One question and answer about the images of a sample; `<ImageHere>` in the question marks their places. */
export interface InstructionSamples {
  /** (B, 3, h, w), or several images a sample: (B, n, 3, h, w). */
  image?: Tensor
  instruction_input: readonly string[]
  answer: readonly string[]
  /** Of several images a sample, how many count. */
  length?: readonly number[]
}

/** Conversations: turns joined by `connect_sym`. */
export interface ConversationSamples {
  image?: Tensor
  conv_q: readonly string[]
  conv_a: readonly string[]
  connect_sym: string
}

export type Samples = InstructionSamples | ConversationSamples

export interface TargetOptions {
  /** Longest answer in tokens; what is beyond it is cut. */
  maxTextLength: number
  /** Ends every answer. */
  endSymbol: string
  /** A template around questions, `{}` for the question; '' for none. */
  promptTemplate: string
  /** Whether the template goes around single questions too (MiniGPT-v2); later turns always have it. */
  chatTemplate: boolean
}

/** What a sample asks, and the ids to regress with their labels: rows of one length. */
export interface Targets {
  prompts: string[]
  /** (B, T), padded at the right. */
  ids: number[][]
  /** 1 where a token counts. */
  mask: number[][]
  /** The id where it is trained, else -100. */
  labels: number[][]
}

/** The label of a position that is not trained. */
export const IGNORED = -100

export function prepareTargets(samples: Samples, codec: TextCodec, options: TargetOptions): Targets {
  return 'conv_q' in samples ? ofConversations(samples, codec, options) : ofInstructions(samples, codec, options)
}

function ofInstructions(
  { instruction_input, answer }: InstructionSamples,
  codec: TextCodec,
  options: TargetOptions,
): Targets {
  if (instruction_input.length !== answer.length) {
    throw new ShapeError(
      'minigpt4-samples',
      `MiniGPT4: wanted an answer for each of ${instruction_input.length} instructions, got ${answer.length}.`,
    )
  }
  const { chatTemplate, promptTemplate, endSymbol } = options
  const rows = answer.map((text) => codec.encode(text + endSymbol).map((id) => ({ id, label: id })))
  return {
    prompts: instruction_input.map((text) => (chatTemplate ? fillTemplate(promptTemplate, text) : text)),
    ...padded(rows, codec.padId, options.maxTextLength),
  }
}

/** Later questions stand between the answers, untrained; each begins with the begin-of-sequence token. */
function ofConversations(samples: ConversationSamples, codec: TextCodec, options: TargetOptions): Targets {
  const { conv_q, conv_a, connect_sym } = samples
  const { promptTemplate, endSymbol } = options
  const prompts: string[] = []
  if (conv_q.length !== conv_a.length) {
    throw new ShapeError(
      'minigpt4-samples',
      `MiniGPT4: wanted the answers of each of ${conv_q.length} conversations, got ${conv_a.length}.`,
    )
  }
  const rows = conv_q.map((joined, i) => {
    const questions = joined.split(connect_sym).map((question) => fillTemplate(promptTemplate, question))
    const answers = conv_a[i]!.split(connect_sym)
    if (answers.length !== questions.length) {
      throw new ShapeError(
        'minigpt4-turns',
        `MiniGPT4: conversation ${i} has ${questions.length} questions and ${answers.length} answers.`,
      )
    }
    prompts.push(questions[0]!)
    return answers.flatMap((answer, turn) => {
      const asked = turn === 0 ? [] : codec.encode(codec.bosToken + questions[turn]!)
      return [
        ...asked.map((id) => ({ id, label: IGNORED })),
        ...codec.encode(answer + endSymbol).map((id) => ({ id, label: id })),
      ]
    })
  })
  return { prompts, ...padded(rows, codec.padId, options.maxTextLength) }
}

function padded(rows: { id: number; label: number }[][], padId: number, maxLength: number): Omit<Targets, 'prompts'> {
  const T = Math.min(maxLength, Math.max(...rows.map((row) => row.length)))
  const fill = <X>(pick: (token: { id: number; label: number }) => X, empty: X): X[][] =>
    rows.map((row) => Array.from({ length: T }, (_, t) => (row[t] ? pick(row[t]) : empty)))
  return { ids: fill(({ id }) => id, padId), mask: fill(() => 1, 0), labels: fill(({ label }) => label, IGNORED) }
}
