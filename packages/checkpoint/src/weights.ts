import type { ByteSource } from './byte-source.ts'
import type { Checkpoint } from './checkpoint.ts'
import { firstMetaPart, openMetaParts } from './meta-parts.ts'
import { openSource } from './open-source.ts'
import type { PyTorchOptions } from './pytorch/open.ts'
import { quote, refuse } from './refuse.ts'
import { openSharded, parseShardIndex } from './sharded.ts'

/** The files of a model: a folder on disk, a repository of the hub, a base URL. */
export interface ModelFiles {
  readonly name: string
  /** The file, or undefined when there is none of that name. */
  open(file: string): Promise<ByteSource | undefined>
}

export interface WeightsOptions extends PyTorchOptions {
  /** The file to open, when it is not under one of the usual names. */
  readonly weights?: string
}

/** Hugging Face's names, in its loaders' order; then Meta's own. */
const usualNames = [
  'model.safetensors',
  'model.safetensors.index.json',
  'pytorch_model.bin',
  'pytorch_model.bin.index.json',
  firstMetaPart,
]

/** Opens the weights among a model's files: one file, an index with its shards, or Meta's parts. */
export async function openWeights(files: ModelFiles, { weights, part }: WeightsOptions = {}): Promise<Checkpoint> {
  const options = part === undefined ? {} : { part }
  for (const name of weights === undefined ? usualNames : [weights]) {
    const source = await files.open(name)
    if (!source) continue
    if (weights === undefined && name === firstMetaPart) {
      return await openMetaParts(files.name, async (file) => {
        const part = file === name ? source : await files.open(file)
        return part && (await openSource(part, options))
      })
    }
    const beside = { file: name, open: (file: string) => files.open(file) }
    if (!name.endsWith('.index.json')) return await openSource(source, options, beside)
    const index = parseShardIndex(await textOf(source), source.name)
    return await openSharded(index, source.name, async (shard) => {
      const opened = await files.open(shard)
      return opened && (await openSource(opened, options))
    })
  }
  if (weights !== undefined) refuse('file-missing', files.name, `there is no file ${quote(weights)}.`)
  refuse('weights-missing', files.name, `there is none of ${usualNames.join(', ')}; name the file with \`weights\`.`)
}

const maxTextBytes = 1 << 28

/** A small file as text; closes it. */
export async function textOf(source: ByteSource): Promise<string> {
  return new TextDecoder().decode(await bytesOfFile(source))
}

/** A small file as bytes; closes it. */
export async function bytesOfFile(source: ByteSource): Promise<Uint8Array> {
  try {
    if (source.size > maxTextBytes) refuse('file-too-large', source.name, `it has ${source.size} bytes.`)
    return await source.read(0, source.size)
  } finally {
    await source.close()
  }
}
