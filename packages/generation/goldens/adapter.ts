import { type Adapter, adapter, type Golden } from '@filature/goldens'
import {
  chain,
  type LogitsProcessor,
  minLength,
  noRepeatNgram,
  repetitionPenalty,
  temperature,
  topK,
  topP,
  typicalP,
} from '../src/index.ts'

/** The processors of the `logits_processors` case, by the names of its outputs. */
function processorsOf({ config }: Golden): Record<string, LogitsProcessor> {
  return {
    temperature: temperature(config.temperature),
    top_k: topK(config.top_k),
    top_p: topP(config.top_p, config.top_p_keep),
    top_p_min_keep: topP(Math.min(config.top_p, 0.05), config.top_p_keep + 1),
    repetition_penalty: repetitionPenalty(config.rep),
    no_repeat_ngram: noRepeatNgram(config.ngram),
    min_length: minLength(config.minlen, [config.eos]),
    typical_p: typicalP(config.typical),
  }
}

function runLogitsProcessors(golden: Golden): void {
  const processors = processorsOf(golden)
  const { shape, data } = golden.read('inputs.scores')
  const ids = golden.read('inputs.input_ids')
  const [batch, vocabulary] = shape as [number, number]
  const width = ids.shape[1]!
  const rows = (process: LogitsProcessor) => {
    const out = new Float64Array(batch * vocabulary)
    for (let row = 0; row < batch; row++) {
      const scores = Float32Array.from(Array.from(data).slice(row * vocabulary, (row + 1) * vocabulary))
      const own = Int32Array.from(Array.from(ids.data).slice(row * width, (row + 1) * width))
      process(scores, { ids: own, promptLength: width })
      out.set(scores, row * vocabulary)
    }
    return out
  }
  for (const [name, process] of Object.entries(processors)) golden.expect(name, { shape, data: rows(process) })
  const all = rows(chain((golden.config.chain as string[]).map((name) => processors[name]!)))
  golden.expect('chain', { shape, data: all })
  golden.expect('chain_probs', { shape, data: softmax(all, vocabulary) })
}

function softmax(scores: Float64Array, width: number): Float64Array {
  const out = new Float64Array(scores.length)
  for (let start = 0; start < scores.length; start += width) {
    const row = scores.subarray(start, start + width)
    const max = Math.max(...row)
    const sum = row.reduce((total, score) => total + Math.exp(score - max), 0)
    for (const [i, score] of row.entries()) out[start + i] = Math.exp(score - max) / sum
  }
  return out
}

export const adapters: Adapter[] = [adapter({ cases: ['logits_processors'], run: runLogitsProcessors })]
