import { ConfigError, ShapeError, type Tensor3D } from '@filature/tensor'

/** Ids of a batch, (B, T), flat; what `encodeBatch` of a tokenizer gives. Padding belongs on the left. */
export interface IdBatch {
  readonly shape: readonly [rows: number, width: number]
  readonly ids: Int32Array
  /** 1 where a token counts, 0 at padding. Default: all count. */
  readonly attentionMask?: Int32Array | undefined
}

/** One row of ids, rows (padded on the left where they differ in length), or a batch. */
export type Ids = readonly number[] | readonly (readonly number[])[] | IdBatch

/** A prompt of embeddings, (B, T, C); it stays the caller's. */
export interface Embeds {
  readonly embeds: Tensor3D
  /** (B, T), flat. */
  readonly attentionMask?: Int32Array | undefined
}

export type CausalPrompt = Ids | Embeds

/** What an encoder reads, and the ids that its decoder starts from. */
export interface SourcePrompt<Source> {
  readonly source: Source
  /** One id that starts every row, or ids for each. */
  readonly start: number | readonly (readonly number[])[]
}

/** A prompt as arrays: ids of each row, and the mask where something is padding. */
export interface Prompt {
  readonly batch: number
  /** Positions that the model is fed, T. */
  readonly width: number
  /** (B, T) fed to the model; undefined when `embeds` are. */
  readonly ids: Int32Array | undefined
  readonly embeds: Tensor3D | undefined
  /** (B, T) with zeros in it, or undefined. */
  readonly mask: Int32Array | undefined
  /** What each row of ids begins with, (B, P): the prompt, or one bos for embeddings. */
  readonly begin: Int32Array
}

const isBatch = (prompt: CausalPrompt): prompt is IdBatch => 'shape' in prompt && 'ids' in prompt

/** @param padId fills ragged rows  @param bosId begins the rows of ids of an embedded prompt */
export function readPrompt(prompt: CausalPrompt, padId: number, bosId: number | undefined): Prompt {
  if ('embeds' in prompt) return embedded(prompt, bosId)
  const { shape, ids, attentionMask } = isBatch(prompt) ? prompt : padLeft(prompt, padId)
  const [batch, width] = shape
  if (batch < 1 || width < 1) {
    throw new ShapeError(
      'empty-prompt',
      `generation: wanted at least one row of at least one id, got (${batch}, ${width}).`,
    )
  }
  if (ids.length !== batch * width) {
    throw new ShapeError('prompt-shape', `generation: wanted ${batch} x ${width} ids, got ${ids.length}.`)
  }
  return { batch, width, ids, embeds: undefined, mask: checkMask(attentionMask, batch, width), begin: ids }
}

function embedded({ embeds, attentionMask }: Embeds, bosId: number | undefined): Prompt {
  const [batch, width] = embeds.shape
  if (embeds.shape.length !== 3 || batch === 0 || width === 0) {
    throw new ShapeError('prompt-shape', `generation: wanted embeds (B, T, C), got (${embeds.shape}).`)
  }
  if (bosId === undefined) {
    throw new ConfigError(
      'generation-option',
      'generation: a prompt of embeds needs bosId, with which the rows of ids begin.',
    )
  }
  const begin = new Int32Array(batch).fill(bosId)
  return { batch, width, ids: undefined, embeds, mask: checkMask(attentionMask, batch, width), begin }
}

export function requireTokenIds(where: string, row: readonly number[]): void {
  const wrong = row.findIndex((id) => !(Number.isInteger(id) && id >= 0))
  if (wrong < 0) return
  throw new ConfigError(
    'prompt-id',
    `generation: wanted token ids, whole numbers from 0, got ${row[wrong]} at place ${wrong} of ${where}.`,
  )
}

/** Rows of one length, pads in front. */
function padLeft(prompt: readonly number[] | readonly (readonly number[])[], padId: number): IdBatch {
  const rows = (typeof prompt[0] === 'number' ? [prompt] : prompt) as readonly (readonly number[])[]
  const width = rows.reduce((max, row) => Math.max(max, row.length), 0)
  const ids = new Int32Array(rows.length * width).fill(padId)
  const attentionMask = new Int32Array(rows.length * width)
  for (const [i, row] of rows.entries()) {
    if (row.length === 0)
      throw new ShapeError('empty-prompt', `generation: row ${i} of the prompt is empty; give it a bos token.`)
    requireTokenIds(`row ${i} of the prompt`, row)
    ids.set(row, (i + 1) * width - row.length)
    attentionMask.fill(1, (i + 1) * width - row.length, (i + 1) * width)
  }
  return { shape: [rows.length, width], ids, attentionMask }
}

function checkMask(mask: Int32Array | undefined, batch: number, width: number): Int32Array | undefined {
  if (!mask) return undefined
  if (mask.length !== batch * width) {
    throw new ShapeError(
      'mask-shape',
      `generation: wanted an attention mask of ${batch} x ${width}, got ${mask.length} numbers.`,
    )
  }
  for (let row = 0; row < batch; row++) {
    if (mask[(row + 1) * width - 1] === 0) {
      throw new ConfigError(
        'right-padding',
        `generation: the last position of row ${row} is padding; pad prompts on the left (paddingSide: 'left').`,
      )
    }
  }
  return mask.includes(0) ? mask : undefined
}
