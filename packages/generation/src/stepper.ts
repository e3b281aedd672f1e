import {
  type Cache,
  type CausalInputs,
  type CausalLM,
  dispose,
  type EncoderDecoderLM,
  gather,
  keep,
  narrow,
  reshape,
  ShapeError,
  type Tensor,
  type Tensor2D,
  type Tensor3D,
  tensor,
  tidy,
} from '@filature/tensor'
import type { Prompt } from './prompt.ts'

/** Feeds a model token by token; rows are those of the batch, or of the beams. */
export interface Stepper extends Disposable {
  /** Scores behind the prompt, (R, V). The caller disposes them. */
  first(): Tensor2D
  /** Scores behind one more token in each row; `ids` (R, L), flat, are all tokens so far, the new ones included. */
  next(ids: Int32Array): Tensor2D
  /**
   * Goes on with these rows, in this order.
   * @param from each row shares its tokens before this position, prompt and all, with the row that takes its place
   */
  reorder(rows: Int32Array, from: number): void
}

/** Runs a forward pass in the scope and under the edits of the call. */
export type RunForward = <T>(forward: () => T) => T

const lastPosition = (logits: Tensor3D): Tensor2D => {
  const [rows, width, vocabulary] = logits.shape
  return reshape(narrow(logits, 1, width - 1, width), [rows, vocabulary])
}

/** The newest column of (R, L). */
const newest = (ids: Int32Array, rows: number): Int32Array => {
  const width = ids.length / rows
  return Int32Array.from({ length: rows }, (_, row) => ids[(row + 1) * width - 1]!)
}

/** A decoder-only model. */
export class CausalStepper implements Stepper {
  readonly #model: CausalLM
  readonly #run: RunForward
  readonly #prompt: Prompt
  readonly #cache: Cache | undefined
  /** One for each row, over all positions so far; undefined when nothing is padding. */
  #masks: number[][] | undefined
  #rows: number

  constructor(model: CausalLM, prompt: Prompt, newTokens: number, useCache: boolean, run: RunForward) {
    this.#model = model
    this.#run = run
    this.#prompt = prompt
    this.#rows = prompt.batch
    this.#cache = useCache ? model.newCache(prompt.batch, prompt.width + newTokens) : undefined
    const { mask, batch, width } = prompt
    if (mask)
      this.#masks = Array.from({ length: batch }, (_, row) => [...mask.subarray(row * width, (row + 1) * width)])
  }

  first(): Tensor2D {
    const { ids, embeds, batch, width } = this.#prompt
    return this.#forward(width, () => (embeds ? { embeds } : { ids: tensor(ids!, [batch, width], 'int32') }))
  }

  next(ids: Int32Array): Tensor2D {
    for (const mask of this.#masks ?? []) mask.push(1)
    const rows = this.#rows
    const fed = this.#cache ? newest(ids, rows) : ids
    return this.#forward(fed.length / rows, () => ({ ids: tensor(fed, [rows, fed.length / rows], 'int32') }))
  }

  #forward(width: number, inputs: () => CausalInputs): Tensor2D {
    return this.#run(() =>
      tidy(() => {
        const masked = this.#masks ? maskedInputs(this.#masks, width) : {}
        const cached = this.#cache ? { cache: this.#cache } : {}
        return lastPosition(this.#model.logits({ ...inputs(), ...masked, ...cached }))
      }),
    )
  }

  reorder(rows: Int32Array, from: number): void {
    this.#rows = rows.length
    if (this.#masks) this.#masks = Array.from(rows, (row) => [...this.#masks![row]!])
    const { width, begin, batch } = this.#prompt
    const promptTokens = begin.length / batch // one stands for embeddings
    reorderCache(this.#cache, rows, from < promptTokens ? 0 : from - promptTokens + width)
  }

  [Symbol.dispose](): void {
    this.#cache?.[Symbol.dispose]()
  }
}

/** The mask over all positions, and the places of the `width` newest: each counts the tokens before it. */
function maskedInputs(masks: readonly number[][], width: number): CausalInputs {
  const length = masks[0]!.length
  const positions = masks.flatMap((mask) => {
    const places = new Array<number>(length)
    let count = 0
    for (const [i, counts] of mask.entries()) {
      count += counts
      places[i] = Math.max(count - 1, 0) // a padded position is read by nobody; its place only has to exist
    }
    return places.slice(length - width)
  })
  return {
    attentionMask: tensor(Int32Array.from(masks.flat()), [masks.length, length], 'int32'),
    positionIds: tensor(Int32Array.from(positions), [masks.length, width], 'int32'),
  }
}

function reorderCache(cache: Cache | undefined, rows: Int32Array, from: number): void {
  if (!cache) return
  tidy(() => cache.reorder(tensor(rows, [rows.length], 'int32'), from))
}

interface Encoded {
  memory: Tensor3D
  memoryMask?: Tensor2D
}

const tensorsOf = ({ memory, memoryMask }: Encoded) => (memoryMask ? [memory, memoryMask] : [memory])

/** An encoder-decoder; the source is encoded once, when the stepper is made. */
export class EncoderDecoderStepper<Source> implements Stepper {
  readonly #model: EncoderDecoderLM<Source>
  readonly #run: RunForward
  readonly #cache: Cache | undefined
  #encoded: Encoded
  /** Rows now. */
  rows: number
  /** (B, P), flat: the ids that the decoder starts from. */
  readonly begin: Int32Array

  constructor(
    model: EncoderDecoderLM<Source>,
    source: Source,
    start: number | readonly (readonly number[])[],
    maxLength: number,
    useCache: boolean,
    run: RunForward,
  ) {
    this.#model = model
    this.#run = run
    const encoded = run(() =>
      tidy((): Encoded => {
        const { memory, memoryMask } = model.encode(source)
        return { memory: keep(memory), ...(memoryMask ? { memoryMask: keep(memoryMask) } : {}) }
      }),
    )
    this.#encoded = encoded
    this.rows = encoded.memory.shape[0]
    if (typeof start !== 'number' && start.length !== this.rows) {
      dispose(tensorsOf(encoded))
      throw new ShapeError(
        'prompt-shape',
        `generation: wanted start ids for ${this.rows} sources, got ${start.length} rows.`,
      )
    }
    this.begin = typeof start === 'number' ? new Int32Array(this.rows).fill(start) : Int32Array.from(start.flat())
    this.#cache = useCache ? model.newCache(this.rows, maxLength) : undefined
  }

  first(): Tensor2D {
    return this.#forward(this.begin)
  }

  next(ids: Int32Array): Tensor2D {
    return this.#forward(this.#cache ? newest(ids, this.rows) : ids)
  }

  #forward(fed: Int32Array): Tensor2D {
    const rows = this.rows
    return this.#run(() =>
      tidy(() => {
        const ids = tensor(fed, [rows, fed.length / rows], 'int32')
        return lastPosition(this.#model.decode(ids, this.#encoded, this.#cache))
      }),
    )
  }

  reorder(rows: Int32Array, from: number): void {
    this.rows = rows.length
    reorderCache(this.#cache, rows, from)
    if (from > 0) return // the sources are the same
    const before = this.#encoded
    this.#encoded = tidy((): Encoded => {
      const indices = tensor(rows, [rows.length], 'int32')
      const pick = <T extends Tensor>(x: T): T => keep(gather<T>(x, indices, 0))
      const { memory, memoryMask } = before
      return { memory: pick(memory), ...(memoryMask ? { memoryMask: pick(memoryMask) } : {}) }
    })
    dispose(tensorsOf(before))
  }

  [Symbol.dispose](): void {
    this.#cache?.[Symbol.dispose]()
    dispose(tensorsOf(this.#encoded))
  }
}
