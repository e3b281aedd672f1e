import { BackendError, type Tensor2D } from '@filature/tensor'
import { RowText } from './row-text.ts'
import type { Rows } from './rows.ts'
import { argmax, logSumExp } from './selection.ts'
import type { Settings } from './settings.ts'
import type { Stepper } from './stepper.ts'

/** Why a row ended: an end token, a stop sequence or string, or the greatest length. */
export type Finish = 'eos' | 'stop' | 'length'

/** One token more in each row. */
export interface Step {
  /** Tokens generated before this one. */
  readonly index: number
  /** (B); the pad token in rows that have ended before. */
  readonly tokens: Int32Array
  /** For each row why it has ended, by now. */
  readonly finish: readonly (Finish | undefined)[]
  /** For each row the text that became certain, where the options have `text`. */
  readonly text?: readonly string[]
  /** Processed scores, (B, V), flat, where asked for. */
  readonly scores?: Float32Array
}

/** Greedy decoding or sampling, a step at a time. */
export async function* decode(stepper: Stepper, rows: Rows, settings: Settings): AsyncGenerator<Step, void> {
  const { eosIds, padId, signal, returnScores, maxLength, text: newText } = settings
  const batch = rows.count
  const finish: (Finish | undefined)[] = new Array(batch).fill(undefined)
  const texts = newText ? Array.from({ length: batch }, () => new RowText(newText(), settings.stopStrings)) : undefined
  const draws = settings.rng && Array.from({ length: batch }, (_, row) => settings.rng!.fork(row))
  for (let index = 0; ; index++) {
    signal?.throwIfAborted()
    const scores = await read(index === 0 ? stepper.first() : stepper.next(rows.flat()))
    signal?.throwIfAborted()
    const vocabulary = scores.length / batch
    const tokens = new Int32Array(batch)
    const running = finish.map((reason) => reason === undefined)
    for (let row = 0; row < batch; row++) {
      const own = scores.subarray(row * vocabulary, (row + 1) * vocabulary)
      if (running[row] || returnScores) settings.process(own, { ids: rows.row(row), promptLength: rows.promptLength })
      tokens[row] = !running[row] ? padId : draws ? draw(own, draws[row]!.fork(index).next()) : choose(own)
    }
    rows.append(tokens)
    const text = texts?.map((own, row) => (running[row] ? own.push(tokens[row]!) : ''))
    for (let row = 0; row < batch; row++) {
      if (!running[row]) continue
      if (eosIds.includes(tokens[row]!)) finish[row] = 'eos'
      else if (texts?.[row]?.stopped || endsBy(rows, row, settings.stopSequences)) finish[row] = 'stop'
      else if (rows.length >= maxLength) finish[row] = 'length'
      if (finish[row] && text) text[row] += texts![row]!.end()
    }
    yield {
      index,
      tokens,
      finish: [...finish],
      ...(text ? { text } : {}),
      ...(returnScores ? { scores } : {}),
    }
    if (finish.every((reason) => reason !== undefined)) return
  }
}

/** A tensor's numbers, as a copy of one's own; the tensor is disposed. */
export async function read(scores: Tensor2D): Promise<Float32Array> {
  try {
    return Float32Array.from(await scores.data())
  } finally {
    scores.dispose()
  }
}

function choose(scores: Float32Array): number {
  const best = argmax(scores)
  if (Number.isNaN(scores[best]) || scores[best] === -Infinity) throw notNumbers()
  return best
}

/** The token at the point `u` of 0..1 on the line of probabilities laid end to end. */
export function draw(scores: Float32Array, u: number): number {
  const total = logSumExp(scores)
  if (!Number.isFinite(total)) throw notNumbers()
  let sum = 0
  let last = 0
  for (let i = 0; i < scores.length; i++) {
    if (scores[i] === -Infinity) continue
    sum += Math.exp(scores[i]! - total)
    last = i
    if (u < sum) return i
  }
  return last
}

const notNumbers = () =>
  new BackendError(
    'scores-not-finite',
    'generation: the scores of the next token hold NaN, or every token is removed; check the weights, the processors, and ' +
      'that the model has the ids and positions of the prompt.',
  )

function endsBy(rows: Rows, row: number, sequences: readonly (readonly number[])[]): boolean {
  const generated = rows.row(row).subarray(rows.promptLength)
  return sequences.some((sequence) => {
    const start = generated.length - sequence.length
    return start >= 0 && sequence.every((id, i) => generated[start + i] === id)
  })
}
