// node --conditions=@filature/source --import tsx bench/sampling.bench.ts
import { Rng } from '@filature/tensor'
import { draw } from '../src/decode.ts'
import {
  chain,
  type LogitsProcessor,
  minP,
  repetitionPenalty,
  temperature,
  topK,
  topP,
  typicalP,
} from '../src/index.ts'
import { kthLargest } from '../src/selection.ts'

// One row of LLaMA's vocabulary, peaked as a trained model's scores are; 1000 tokens of context.
const V = 32_000
const logits = Float32Array.from(new Rng(1).normal(V, 0, 2), (x) => x * Math.abs(x))
const row = { ids: Int32Array.from({ length: 1000 }, (_, i) => (i * 7919) % V), promptLength: 1000 }
const scores = new Float32Array(V)
const fresh = () => {
  scores.set(logits)
  return scores
}

/** Median time of a call, µs. */
function median(run: () => unknown): number {
  const times: number[] = []
  for (let i = 0; i < 400; i++) {
    const start = performance.now()
    run()
    if (i >= 100) times.push(performance.now() - start)
  }
  return 1000 * times.sort((a, b) => a - b)[times.length >> 1]!
}

const on = (process: LogitsProcessor) => () => process(fresh(), row)
const benches: Record<string, () => unknown> = {
  'copy of the row (in all below)': fresh,
  'repetition penalty': on(repetitionPenalty(1.2)),
  temperature: on(temperature(0.7)),
  'top-k 50': on(topK(50)),
  'top-p 0.9': on(topP(0.9)),
  'min-p 0.05': on(minP(0.05)),
  'typical-p 0.9': on(typicalP(0.9)),
  'all that a chat uses': on(chain([repetitionPenalty(1.1), temperature(0.7), topK(50), topP(0.9)])),
  draw: () => draw(fresh(), 0.5),
  'k-th largest, heap of 50': () => kthLargest(fresh(), 50),
  'k-th largest, full sort': () => fresh().slice().sort()[V - 50],
}
for (const [name, run] of Object.entries(benches))
  console.log(name.padEnd(32), median(run).toFixed(0).padStart(6), 'µs')
