import type { Checkpoint } from './checkpoint.ts'
import { checkpointOf } from './checkpoint-of.ts'
import { quote, refuse } from './refuse.ts'
import { parseStrictJson } from './strict-json.ts'

/** What `model.safetensors.index.json` or `pytorch_model.bin.index.json` says: the shard of each tensor. */
export interface ShardIndex {
  readonly shardOf: ReadonlyMap<string, string>
  /** Each shard once, sorted. */
  readonly shards: readonly string[]
}

/** Reads and checks an index. Shards must be plain file names: an index cannot reach outside its folder. */
export function parseShardIndex(text: string, who: string): ShardIndex {
  const json = parseStrictJson(text, who)
  const map = json instanceof Map ? json.get('weight_map') : undefined
  if (!(map instanceof Map)) refuse('index-malformed', who, "wanted an object with a 'weight_map'.")
  const shardOf = new Map<string, string>()
  for (const [name, shard] of map) {
    if (typeof shard !== 'string') refuse('index-malformed', who, `the shard of ${quote(name)} is not a string.`)
    checkShardName(shard, who)
    shardOf.set(name, shard)
  }
  if (shardOf.size === 0) refuse('index-malformed', who, 'its weight_map is empty.')
  return { shardOf, shards: [...new Set(shardOf.values())].sort() }
}

function checkShardName(shard: string, who: string): void {
  // biome-ignore lint/suspicious/noControlCharactersInRegex: control characters are what is looked for
  if (shard === '' || shard === '.' || shard === '..' || /[/\\:\u0000-\u001f]/.test(shard)) {
    refuse('index-shard-path', who, `the shard name ${quote(shard)} is not a plain file name.`)
  }
}

/**
 * Opens the shards of an index as one checkpoint. Refused: a shard that is not there, a listed tensor that its shard
 * does not hold, a tensor that two shards hold. Tensors that the index does not list count as well, so that a strict
 * load sees them.
 */
export async function openSharded(
  { shardOf, shards }: ShardIndex,
  who: string,
  open: (shard: string) => Promise<Checkpoint | undefined>,
): Promise<Checkpoint> {
  const opened = new Map<string, Checkpoint>()
  const close = async () => void (await Promise.allSettled([...opened.values()].map((shard) => shard.close())))
  try {
    for (const shard of shards) {
      const checkpoint = await open(shard)
      if (!checkpoint) refuse('index-missing-shard', who, `the shard ${quote(shard)} is not there.`)
      opened.set(shard, checkpoint)
    }
    for (const [name, shard] of shardOf) {
      if (!opened.get(shard)!.has(name)) {
        refuse('index-missing-tensor', who, `tensor ${quote(name)} is not in its shard ${quote(shard)}.`)
      }
    }
    return joinShards(who, opened, new Map([...opened.values()].flatMap((shard) => [...shard.metadata])))
  } catch (error) {
    await close()
    throw error
  }
}

/** Checkpoints that hold one model's tensors between them, as one. Refused: a tensor that two of them hold. Owns them. */
export function joinShards(
  who: string,
  opened: ReadonlyMap<string, Checkpoint>,
  metadata: Checkpoint['metadata'],
): Checkpoint {
  const shards = [...opened.values()]
  const holder = new Map<string, Checkpoint>()
  for (const [shard, checkpoint] of opened) {
    for (const name of checkpoint.names()) {
      if (holder.has(name)) {
        refuse('shards-duplicate-tensor', who, `tensor ${quote(name)} is in two files, ${quote(shard)} and another.`)
      }
      holder.set(name, checkpoint)
    }
  }
  return checkpointOf(holder, {
    format: shards[0]!.format,
    name: who,
    metadata,
    info: (shard, name) => shard.info(name),
    read: async (shard, _, name) => await shard.read(name),
    blocks: (shard, name) => shard.blocks?.(name),
    close: () => Promise.allSettled(shards.map((shard) => shard.close())),
  })
}
