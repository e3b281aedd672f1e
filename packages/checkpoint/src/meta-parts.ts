import type { Checkpoint } from './checkpoint.ts'
import { type CutAxis, joinParts } from './parts.ts'
import { quote, refuse } from './refuse.ts'

/** The first file of a checkpoint in Meta's own layout; a model for N devices has N of them. */
export const firstMetaPart = 'consolidated.00.pth'

const maxParts = 100

/**
 * Opens `consolidated.00.pth`, `consolidated.01.pth`, ... as one checkpoint. Each holds its device's slices: rows of
 * wq, wk, wv, w1, w3 and output (split by output), columns of wo and w2 (split by input), columns of the embedding in
 * LLaMA 1 and 2 and its rows in LLaMA 3; norms and frequencies stand in each. How many parts there must be is told by
 * wo, whose slices are C by C / N.
 */
export async function openMetaParts(
  who: string,
  open: (file: string) => Promise<Checkpoint | undefined>,
): Promise<Checkpoint> {
  const parts: Checkpoint[] = []
  try {
    while (parts.length < maxParts) {
      const part = await open(`consolidated.${String(parts.length).padStart(2, '0')}.pth`)
      if (!part) break
      parts.push(part)
    }
    if (parts.length === 0) refuse('file-missing', who, `there is no file ${quote(firstMetaPart)}.`)
    checkCount(parts, who)
    return parts.length === 1 ? parts[0]! : joinParts(parts, who, axisIn(parts[0]!, parts.length, who))
  } catch (error) {
    await Promise.allSettled(parts.map((part) => part.close()))
    throw error
  }
}

const output = 'layers.0.attention.wo.weight'

function checkCount(parts: readonly Checkpoint[], who: string): void {
  const first = parts[0]!
  if (!first.has(output)) {
    if (parts.length > 1) refuse('parts-names', first.name, `it lacks ${output}: this is not Meta's LLaMA.`)
    return
  }
  const [rows, columns] = first.info(output).shape as [number, number]
  const wanted = rows / columns
  // alone, a model whose heads are not as wide as it is may be whole
  if (wanted === parts.length || (parts.length === 1 && !(Number.isInteger(wanted) && wanted > 1))) return
  refuse(
    'parts-count',
    who,
    `its ${output} [${rows},${columns}] is a slice of ${wanted} parts, but there are ${parts.length} files ` +
      'consolidated.NN.pth; fetch all of them, and no others.',
  )
}

/** The axis that a tensor is cut along, by its name; its other axis must have the model's width. */
function axisIn(first: Checkpoint, count: number, who: string): CutAxis {
  const [width] = first.info(output).shape
  return (name, shape) => {
    if (shape.length < 2) return undefined
    const axis = cutByName(name) ?? (isEmbedding.test(name) ? (shape[1] === width ? 0 : 1) : undefined)
    if (shape.length !== 2 || axis === undefined) {
      refuse('parts-unknown', who, `how tensor ${quote(name)} [${shape}] is cut into parts is not known here.`)
    }
    const across = isEmbedding.test(name) && axis === 1 ? shape[1]! * count : shape[1 - axis]
    if (across !== width) {
      refuse('parts-shape', who, `tensor ${quote(name)} [${shape}] in ${count} parts does not fit a width of ${width}.`)
    }
    return axis
  }
}

const isEmbedding = /^tok_embeddings\.weight$/

function cutByName(name: string): 0 | 1 | undefined {
  if (/^output\.weight$|\.attention\.w[qkv]\.weight$|\.feed_forward\.w[13]\.weight$/.test(name)) return 0
  return /\.attention\.wo\.weight$|\.feed_forward\.w2\.weight$/.test(name) ? 1 : undefined
}
