import { BackendError } from '@filature/tensor'
import { read } from './decode.ts'
import { Hypotheses, type Hypothesis } from './hypotheses.ts'
import type { Rows } from './rows.ts'
import { descending, logSumExp } from './selection.ts'
import type { Settings } from './settings.ts'
import type { Stepper } from './stepper.ts'

/** A beam going on: one more token behind one of the beams before. */
interface Continuation {
  readonly beam: number
  readonly token: number
  readonly score: number
}

const NONE: Continuation = { beam: 0, token: -1, score: -Infinity }

/**
 * Beam search as in Hugging Face transformers 4.32: each prompt keeps `numBeams` beams; of the best 2 * numBeams
 * continuations those that end become hypotheses if they are among the first numBeams, the others go on.
 *
 * @param rows one row for each prompt
 * @returns for each prompt the `numReturnSequences` best, best first
 */
export async function beamSearch(stepper: Stepper, rows: Rows, settings: Settings): Promise<(readonly Hypothesis[])[]> {
  const { numBeams, eosIds, padId, signal } = settings
  const prompts = rows.count
  const found = Array.from({ length: prompts }, () => new Hypotheses(settings))
  const done: boolean[] = new Array(prompts).fill(false)
  // before the first token all beams of a prompt are the same: only the first counts
  const beamScores = Float64Array.from({ length: prompts * numBeams }, (_, i) => (i % numBeams ? -1e9 : 0))
  const copies = Int32Array.from(beamScores, (_, i) => Math.floor(i / numBeams))
  let prefill: Float32Array | undefined
  while (rows.length < settings.maxLength && !done.every(Boolean)) {
    signal?.throwIfAborted()
    let scores: Float32Array
    if (prefill) {
      scores = await read(stepper.next(rows.flat()))
    } else {
      prefill = await read(stepper.first())
      scores = repeatRows(prefill, prompts, numBeams)
      stepper.reorder(copies, 0)
      rows.reorder(copies)
    }
    signal?.throwIfAborted()
    const vocabulary = scores.length / rows.count
    const candidates = Math.max(2, 1 + eosIds.length) * numBeams
    const chosen: Continuation[] = []
    for (let prompt = 0; prompt < prompts; prompt++) {
      if (done[prompt]) {
        chosen.push(...new Array(numBeams).fill({ beam: prompt * numBeams, token: padId, score: 0 }))
        continue
      }
      const best = continuations(scores, rows, settings, prompt, beamScores, vocabulary, candidates)
      const going = sort(best, rows, found[prompt]!, settings)
      while (going.length < numBeams) going.push({ ...NONE, beam: prompt * numBeams, token: padId })
      chosen.push(...going)
      done[prompt] = found[prompt]!.isDone(best[0]?.score ?? -Infinity, rows.length + 1)
    }
    const order = Int32Array.from(chosen, ({ beam }) => beam)
    for (const [i, { score }] of chosen.entries()) beamScores[i] = score
    // beams of one prompt whose tokens are the same so far come from the same beam
    const from = rows.divergence(order)
    rows.reorder(order)
    rows.append(Int32Array.from(chosen, ({ token }) => token))
    if (rows.length < settings.maxLength && !done.every(Boolean)) stepper.reorder(order, from)
  }
  for (let prompt = 0; prompt < prompts; prompt++) {
    if (done[prompt]) continue
    for (let beam = prompt * numBeams; beam < (prompt + 1) * numBeams; beam++)
      found[prompt]!.add(rows.row(beam), beamScores[beam]!)
  }
  return found.map((hypotheses) => hypotheses.best(settings.numReturnSequences))
}

/** The best continuations of one prompt's beams, best first. */
function continuations(
  scores: Float32Array,
  rows: Rows,
  { process, numBeams }: Settings,
  prompt: number,
  beamScores: Float64Array,
  vocabulary: number,
  count: number,
): Continuation[] {
  const sums = new Float32Array(numBeams * vocabulary)
  for (let i = 0; i < numBeams; i++) {
    const beam = prompt * numBeams + i
    const own = scores.subarray(beam * vocabulary, (beam + 1) * vocabulary)
    const total = logSumExp(own)
    if (!Number.isFinite(total)) {
      throw new BackendError(
        'scores-not-finite',
        'generation: the scores of the next token hold NaN; check the weights, and that the model has the ids of the prompt.',
      )
    }
    for (let v = 0; v < vocabulary; v++) own[v] = own[v]! - total
    process(own, { ids: rows.row(beam), promptLength: rows.promptLength })
    for (let v = 0; v < vocabulary; v++) sums[i * vocabulary + v] = own[v]! + beamScores[beam]!
  }
  const best: Continuation[] = []
  for (const at of descending(sums)) {
    best.push({ beam: prompt * numBeams + Math.floor(at / vocabulary), token: at % vocabulary, score: sums[at]! })
    if (best.length === count) break
  }
  return best
}

/** Files the continuations that end, and returns those that go on. */
function sort(
  best: readonly Continuation[],
  rows: Rows,
  found: Hypotheses,
  { eosIds, numBeams }: Settings,
): Continuation[] {
  const going: Continuation[] = []
  for (const [rank, continuation] of best.entries()) {
    if (eosIds.includes(continuation.token)) {
      if (rank < numBeams) found.add(rows.row(continuation.beam), continuation.score)
    } else {
      going.push(continuation)
      if (going.length === numBeams) break
    }
  }
  return going
}

function repeatRows(scores: Float32Array, rows: number, times: number): Float32Array {
  const width = scores.length / rows
  const out = new Float32Array(scores.length * times)
  for (let row = 0; row < rows; row++) {
    for (let i = 0; i < times; i++) out.set(scores.subarray(row * width, (row + 1) * width), (row * times + i) * width)
  }
  return out
}
