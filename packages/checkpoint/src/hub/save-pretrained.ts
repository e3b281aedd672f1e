import type { Module } from '@filature/tensor'
import { writeFileAtomic } from '#platform'
import { type SaveOptions, save } from '../save.ts'
import { checkFileName } from './repository.ts'

export interface SavePretrainedOptions extends SaveOptions {
  /** Written as `config.json`. */
  readonly config: Readonly<Record<string, unknown>>
  /** Other files by name: a tokenizer, a generation configuration. */
  readonly files?: Readonly<Record<string, string | Uint8Array>>
}

/** Above this, Hugging Face's loaders expect shards. */
const usualShardBytes = 5_000_000_000

/**
 * Writes a folder as Hugging Face's loaders read it: `config.json`, `model.safetensors` (or shards of 5 GB and an
 * index), and the files given. Each file is replaced as a whole; the weights come last. Returns the files.
 */
export async function savePretrained(model: Module, folder: string, options: SavePretrainedOptions): Promise<string[]> {
  const { config, files = {}, maxShardBytes = usualShardBytes, ...rest } = options
  const start = folder.replace(/[/\\]+$/, '')
  const all: Record<string, string | Uint8Array> = { 'config.json': `${JSON.stringify(config, null, 2)}\n`, ...files }
  for (const name of Object.keys(all)) checkFileName(name)
  for (const [name, content] of Object.entries(all)) {
    await writeFileAtomic(`${start}/${name}`, [
      typeof content === 'string' ? new TextEncoder().encode(content) : content,
    ])
  }
  const weights = await save(model, `${start}/`, { ...rest, maxShardBytes })
  return [...Object.keys(all).map((name) => `${start}/${name}`), ...weights]
}
