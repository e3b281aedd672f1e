import { ConfigError } from '@filature/tensor'
import { readTextFile, removeFiles, writeFileAtomic } from '#platform'
import { byteLengthOf } from './encode.ts'
import { layoutSafetensors, safetensorsChunks, type TensorToWrite } from './safetensors/writer.ts'
import { parseShardIndex } from './sharded.ts'

export interface WriteOptions {
  /** Largest shard in bytes of tensors; one larger tensor makes a shard of its own. By default one file. */
  readonly maxShardBytes?: number
}

/**
 * Writes tensors as `target` (a `.safetensors` file) or into the folder `target` as `model.safetensors`; beyond
 * `maxShardBytes` as `model-00001-of-0000N.safetensors` and `model.safetensors.index.json`, Hugging Face's layout.
 * What takes a reader from the old checkpoint to the new one is a single rename: of the file, or of the index, whose
 * shards never overwrite those of the index before. What the new one no longer uses is removed after that.
 */
export async function writeShards(
  target: string,
  tensors: readonly TensorToWrite[],
  metadata: Readonly<Record<string, string>>,
  { maxShardBytes = Number.POSITIVE_INFINITY }: WriteOptions,
): Promise<string[]> {
  checkShardBytes(maxShardBytes)
  const single = target.endsWith('.safetensors') ? target : `${target.replace(/[/\\]+$/, '')}/model.safetensors`
  const indexPath = `${single}.index.json`
  const folder = folderOf(single)
  const before = await shardsOf(indexPath)
  const shards = split(tensors, maxShardBytes)
  if (shards.length === 1) {
    await writeFileAtomic(single, safetensorsChunks(layoutSafetensors(tensors, metadata)))
    await removeFiles([indexPath, ...before.map((shard) => folder + shard)])
    return [single]
  }

  const stem = single.slice(folder.length, -'.safetensors'.length)
  const names = shardNames(stem, shards.length, new Set(before))
  const weightMap: Record<string, string> = {}
  let bytes = 0
  for (const [i, shard] of shards.entries()) {
    await writeFileAtomic(folder + names[i], safetensorsChunks(layoutSafetensors(shard, metadata)))
    for (const { name, dtype, shape } of shard) {
      weightMap[name] = names[i]!
      bytes += byteLengthOf(dtype, shape)
    }
  }
  const index = { metadata: { total_size: bytes }, weight_map: weightMap }
  await writeFileAtomic(indexPath, [new TextEncoder().encode(`${JSON.stringify(index, null, 2)}\n`)])
  await removeFiles([single, ...before.map((shard) => folder + shard)])
  return [...names.map((name) => folder + name), indexPath]
}

export function checkShardBytes(maxShardBytes: number): void {
  if (maxShardBytes > 0) return
  throw new ConfigError('max-shard-bytes', `save: maxShardBytes must be above 0, got ${maxShardBytes}.`)
}

const folderOf = (path: string): string => path.slice(0, Math.max(path.lastIndexOf('/'), path.lastIndexOf('\\')) + 1)

/** Shards that an index at hand uses; none if there is no index or it cannot be read. */
async function shardsOf(indexPath: string): Promise<readonly string[]> {
  const text = await readTextFile(indexPath)
  if (text === undefined) return []
  try {
    return parseShardIndex(text, indexPath).shards
  } catch {
    return []
  }
}

/** In the model's order, each shard filled as far as it goes. */
function split(tensors: readonly TensorToWrite[], maxBytes: number): TensorToWrite[][] {
  const shards: TensorToWrite[][] = []
  let room = -1
  for (const tensor of tensors) {
    const bytes = byteLengthOf(tensor.dtype, tensor.shape)
    if (bytes > room) {
      shards.push([])
      room = maxBytes
    }
    shards.at(-1)!.push(tensor)
    room -= bytes
  }
  return shards.length > 0 ? shards : [[]]
}

/** `model-00001-of-00003.safetensors`; `model.2-...` and so on while such names are in use. */
function shardNames(stem: string, count: number, taken: ReadonlySet<string>): string[] {
  const digits = (n: number) => String(n).padStart(5, '0')
  for (let generation = 1; ; generation++) {
    const start = generation === 1 ? stem : `${stem}.${generation}`
    const names = Array.from({ length: count }, (_, i) => `${start}-${digits(i + 1)}-of-${digits(count)}.safetensors`)
    if (!names.some((name) => taken.has(name))) return names
  }
}
