import { ConfigError, capture, type Tensor, type Tensor2D, type Tensor3D, tensor, tidy } from '@filature/tensor'
import { type Corpus, longest, type MemoryModel, requireCount } from './memory-model.ts'

/** What one batch of sentences showed, on the host. Rows are (sentence, position), padded to the batch's longest. */
export interface Seen {
  /** Number of the batch's first sentence. */
  readonly first: number
  readonly lengths: readonly number[]
  /** Positions of a row of the batch, T. */
  readonly width: number
  /** By tap path, (B, T, width of the tap), flat. */
  readonly taps: ReadonlyMap<string, Float32Array>
  /** (B, T, V), flat. */
  readonly logits: Float32Array
  /** What `read` made of the logits and activations on the device, each read back. */
  readonly read: readonly (Float32Array | Int32Array)[]
}

export interface SweepOptions {
  /** Sentences of a batch (32). */
  batchSize?: number
  /** Reductions done on the device, before anything is read back. */
  read?: (activations: ReadonlyMap<string, Tensor>, logits: Tensor3D) => Tensor[]
  /** Tap paths read back as they are. */
  keep?: readonly string[]
}

/** Runs the model over the corpus, a batch at a time; sentences are padded behind, which a causal model cannot see. */
export async function* sweep(
  lens: MemoryModel,
  corpus: Corpus,
  taps: readonly string[],
  { batchSize = 32, read = () => [], keep = [] }: SweepOptions = {},
): AsyncGenerator<Seen, void> {
  longest(corpus)
  requireCount('sweep', 'batchSize', batchSize)
  for (let first = 0; first < corpus.length; first += batchSize) {
    const sentences = corpus.slice(first, first + batchSize)
    const lengths = sentences.map((sentence) => sentence.length)
    const width = Math.max(1, ...lengths)
    const flat = new Int32Array(sentences.length * width)
    sentences.forEach((sentence, i) => {
      flat.set(Array.from(sentence), i * width)
    })
    const ids = tensor(flat, [sentences.length, width], 'int32') as Tensor2D
    const held: Tensor[] = [ids]
    try {
      using seen = capture(lens.model, taps, () => tidy(() => lens.logits(ids)))
      held.push(seen.output)
      const unseen = keep.find((path) => !seen.activations.has(path))
      if (unseen !== undefined) {
        throw new ConfigError(
          'lens-keep',
          `sweep: wanted keep among the taps seen, ${[...seen.activations.keys()].join(', ')}; got ${unseen}.`,
        )
      }
      const made = tidy(() => read(seen.activations, seen.output))
      held.push(...made)
      const back = new Map<string, Float32Array>()
      for (const path of keep) back.set(path, (await seen.activations.get(path)!.data()) as Float32Array)
      yield {
        first,
        lengths,
        width,
        taps: back,
        logits: (await seen.output.data()) as Float32Array,
        read: await Promise.all(made.map((x) => x.data() as Promise<Float32Array>)),
      }
    } finally {
      for (const x of held) x.dispose()
    }
  }
}
