import { add, argMax, ConfigError, matMul, reshape, softmax, type Tensor, type Tensor3D } from '@filature/tensor'
import { type Corpus, longest, type MemoryModel } from './memory-model.ts'
import { sweep } from './sweep.ts'
import type { ReadValues } from './values.ts'

/** What decides a layer's prediction where the stream and the memories differ (section 5.2). */
export const splitCategories = ['residual', 'ffn', 'agreement', 'composition'] as const

/** One layer over a corpus; arrays are (N, T), padded with 0 or -1 behind a sentence's end. */
export interface LayerStatistics {
  /** Memories with a positive coefficient. */
  activeCount: Int32Array
  /** Part of all memories that are active, over all positions. */
  activeFraction: number
  /** Active memories at a position, on average. */
  activeMean: number
  /** Likeliest token of the stream before the layer, of the layer's output, and of their sum, without the last norm. */
  topResidual: Int32Array
  topFfn: Int32Array
  topOutput: Int32Array
  /** How many active memories have the layer's, and the sum's, prediction as their own. */
  matchingFfn: Int32Array
  matchingOutput: Int32Array
  /** Part of positions where no active memory has the layer's (the sum's) prediction: it is composed (section 5.1). */
  composedRateFfn: number
  composedRateOutput: number
  /** Part of positions where the stream (the sum) already predicts what the model does. */
  residualMatchRate: number
  outputMatchRate: number
  /** Probability that the stream gives to the model's prediction, (N, T), and its mean. */
  residualFinalProbability: Float32Array
  residualFinalProbabilityMean: number
  /** Index into `splitCategories`, -1 behind a sentence's end; and the part of each. */
  split: Int32Array
  splitRates: number[]
}

export interface CorpusStatistics {
  /** The model's predictions, (N, T), -1 behind a sentence's end. */
  topFinal: Int32Array
  /** Positions of a row, T. */
  width: number
  layers: LayerStatistics[]
}

/** What the stream x (B, T, C) says in the vocabulary, (B, T, V). */
function readStream(x: Tensor, unembedding: Tensor): Tensor3D {
  const [B, T, C] = x.shape as [number, number, number]
  return reshape(matMul(reshape(x, [B * T, C]), unembedding, { transposeB: true }), [B, T, unembedding.shape[0]!])
}

/** How memories compose within each layer and predictions are refined across layers (Geva et al. 2021, section 5). */
export async function corpusStatistics(
  lens: MemoryModel,
  corpus: Corpus,
  values: readonly ReadValues[],
  { batchSize }: { batchSize?: number } = {},
): Promise<CorpusStatistics> {
  const T = longest(corpus)
  const cells = corpus.length * T
  const positions = corpus.reduce((sum, sentence) => sum + sentence.length, 0)
  const blank = (fill = 0) => new Int32Array(cells).fill(fill)
  const taps = lens.layers.map((layer) => {
    const { memory, residual, ffn } = layer
    if (!residual || !ffn) {
      throw new ConfigError(
        'lens-stream',
        `corpusStatistics: the layer of ${memory} names no residual and ffn tap; give both.`,
      )
    }
    return { memory, residual, ffn }
  })
  if (values.length !== taps.length) {
    throw new ConfigError(
      'lens-values',
      `corpusStatistics: wanted the values of ${taps.length} layers, got ${values.length}; give what readValues gives.`,
    )
  }
  const topFinal = blank(-1)
  const stats = taps.map(() => ({
    activeCount: blank(),
    topResidual: blank(-1),
    topFfn: blank(-1),
    topOutput: blank(-1),
    matchingFfn: blank(),
    matchingOutput: blank(),
    residualFinalProbability: new Float32Array(cells),
    split: blank(-1),
    /** Sums over positions. */
    sums: {
      active: 0,
      composedFfn: 0,
      composedOutput: 0,
      residualMatch: 0,
      outputMatch: 0,
      probability: 0,
      split: [0, 0, 0, 0],
    },
    memories: 1,
  }))
  const read = (activations: ReadonlyMap<string, Tensor>, logits: Tensor3D): Tensor[] => {
    const E = lens.unembedding()
    return [
      argMax(logits, -1),
      ...taps.flatMap(({ residual, ffn }) => {
        const [r, y] = [activations.get(residual)!, activations.get(ffn)!]
        const ofResidual = readStream(r, E)
        return [
          argMax(ofResidual, -1),
          argMax(readStream(y, E), -1),
          argMax(readStream(add(r, y), E), -1),
          softmax(ofResidual),
        ]
      }),
    ]
  }
  const paths = taps.flatMap(({ memory, residual, ffn }) => [memory, residual, ffn])
  const options = { batchSize, read, keep: taps.map(({ memory }) => memory) }
  for await (const seen of sweep(lens, corpus, paths, options)) {
    const { first, lengths, width } = seen
    const final = seen.read[0]!
    lengths.forEach((length, row) => {
      for (let t = 0; t < length; t++) {
        const from = row * width + t
        const to = (first + row) * T + t
        topFinal[to] = final[from]!
        stats.forEach((s, layer) => {
          const [residual, ffn, output, probabilities] = seen.read.slice(1 + 4 * layer, 5 + 4 * layer) as [
            Int32Array,
            Int32Array,
            Int32Array,
            Float32Array,
          ]
          const coefficients = seen.taps.get(taps[layer]!.memory)!
          const F = coefficients.length / (lengths.length * width)
          const { argmax, vocabulary } = values[layer]!
          const [r, y, o] = [residual[from]!, ffn[from]!, output[from]!]
          let [active, likeFfn, likeOutput] = [0, 0, 0]
          for (let key = 0; key < F; key++) {
            if (!(coefficients[from * F + key]! > 0)) continue
            active++
            if (argmax[key] === y) likeFfn++
            if (argmax[key] === o) likeOutput++
          }
          const split = o === r && o === y ? 2 : o === r ? 0 : o === y ? 1 : 3
          const probability = probabilities[from * vocabulary + final[from]!]!
          s.memories = F
          s.activeCount[to] = active
          s.topResidual[to] = r
          s.topFfn[to] = y
          s.topOutput[to] = o
          s.matchingFfn[to] = likeFfn
          s.matchingOutput[to] = likeOutput
          s.residualFinalProbability[to] = probability
          s.split[to] = split
          s.sums.active += active
          s.sums.composedFfn += likeFfn === 0 ? 1 : 0
          s.sums.composedOutput += likeOutput === 0 ? 1 : 0
          s.sums.residualMatch += r === final[from] ? 1 : 0
          s.sums.outputMatch += o === final[from] ? 1 : 0
          s.sums.probability += probability
          s.sums.split[split]!++
        })
      }
    })
  }
  return {
    topFinal,
    width: T,
    layers: stats.map(({ sums, memories, ...arrays }) => ({
      ...arrays,
      activeFraction: sums.active / positions / memories,
      activeMean: sums.active / positions,
      composedRateFfn: sums.composedFfn / positions,
      composedRateOutput: sums.composedOutput / positions,
      residualMatchRate: sums.residualMatch / positions,
      outputMatchRate: sums.outputMatch / positions,
      residualFinalProbabilityMean: sums.probability / positions,
      splitRates: sums.split.map((count) => count / positions),
    })),
  }
}
