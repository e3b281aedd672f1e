import type { ByteSource } from '../byte-source.ts'
import type { Checkpoint } from '../checkpoint.ts'
import { quote, refuse } from '../refuse.ts'
import { joinShards } from '../sharded.ts'
import { openGgufFile } from './file.ts'
import { partName, type Split, splitOf } from './split.ts'

/** Where the other parts of a split model are found: the name of the file at hand, and how those beside it are opened. */
export interface FilesBeside {
  readonly file: string
  /** The file of that name, or undefined when there is none. */
  open(file: string): Promise<ByteSource | undefined>
}

/**
 * Opens a GGUF file, or with the first part of a split model all of its parts. Shapes come in PyTorch's order, names as
 * the file has them (a dialect makes them a model's); quantised tensors are decoded to float32 as they are read.
 * `metadata` holds the keys of the file, or of the first part. Owns the source.
 * @param beside for a split model that is not opened by its path or URL: `{ file: blob.name, open: async (name) => ... }`
 * @throws CheckpointError `gguf-split...` where parts are missing or do not belong together
 */
export async function openGguf(source: ByteSource, beside?: FilesBeside): Promise<Checkpoint> {
  const first = await openGgufFile(source)
  const split = splitOf(first.metadata, first.name)
  return split.count === 1 ? first : await openParts(first, split, beside)
}

async function openParts(first: Checkpoint, split: Split, beside: FilesBeside | undefined): Promise<Checkpoint> {
  const who = first.name
  const { no, count, tensors } = split
  const here = `it is part ${no + 1} of ${count}`
  if (!beside) {
    refuse(
      'gguf-split-alone',
      who,
      `${here}; open the first by its path or URL, or tell openGguf where the others are.`,
    )
  }
  const names = Array.from({ length: count }, (_, i) => partName(beside.file, split, i))
  if (names[0] === undefined) {
    refuse('gguf-split-name', who, `${here}, but not named so; wanted a name like model-00001-of-00003.gguf.`)
  }
  if (no > 0) refuse('gguf-split-first', who, `${here}; open the first, ${quote(names[0])}.`)
  const parts = new Map([[names[0], first]])
  try {
    for (const [i, name] of (names as string[]).entries()) {
      if (i > 0) parts.set(name, await openPart(beside, name, who, i, count))
    }
    const joined = joinShards(who, parts, first.metadata)
    const got = joined.names().length
    if (tensors === undefined || got === tensors) return joined
    return refuse('gguf-split', who, `its parts hold ${got} tensors, but it says that there are ${tensors}.`)
  } catch (error) {
    await Promise.allSettled([...parts.values()].slice(1).map((part) => part.close())) // the first is the caller's
    throw error
  }
}

async function openPart(
  beside: FilesBeside,
  name: string,
  who: string,
  no: number,
  count: number,
): Promise<Checkpoint> {
  const source = await beside.open(name)
  if (!source) refuse('gguf-split-missing', who, `its part ${no + 1} of ${count}, ${quote(name)}, is not beside it.`)
  try {
    const part = await openGgufFile(source)
    const own = splitOf(part.metadata, part.name)
    if (own.no === no && own.count === count) return part
    return refuse(
      'gguf-split',
      part.name,
      `it says to be part ${own.no + 1} of ${own.count}, wanted part ${no + 1} of ${count}; is it another model's?`,
    )
  } catch (error) {
    await source.close()
    throw error
  }
}
