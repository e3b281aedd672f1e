import { ConfigError, type Module } from '@filature/tensor'
import { writeFileAtomic } from '#platform'
import { quote } from '../refuse.ts'
import { checkSaving, type SaveOptions, save } from '../save.ts'
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
 * index), and the files given. Each file is replaced as a whole; the weights come last. Returns the files. Wrong options,
 * and a model without values, are refused before anything is written.
 */
export async function savePretrained(model: Module, folder: string, options: SavePretrainedOptions): Promise<string[]> {
  const { config, files = {}, maxShardBytes = usualShardBytes, ...rest } = options
  const start = folder.replace(/[/\\]+$/, '')
  for (const name of Object.keys(files)) checkFile(name)
  checkSaving(model, { ...rest, maxShardBytes })
  const all: Record<string, string | Uint8Array> = { 'config.json': `${jsonOf(config)}\n`, ...files }
  for (const [name, content] of Object.entries(all)) {
    await writeFileAtomic(`${start}/${name}`, [
      typeof content === 'string' ? new TextEncoder().encode(content) : content,
    ])
  }
  const weights = await save(model, `${start}/`, { ...rest, maxShardBytes })
  return [...Object.keys(all).map((name) => `${start}/${name}`), ...weights]
}

/** Of files beside the configuration and the weights. */
function checkFile(name: string): void {
  checkFileName(name, 'savePretrained')
  if (name !== 'config.json' && !/\.safetensors(\.index\.json)?$/.test(name)) return
  throw new ConfigError(
    'save-files',
    `savePretrained: wanted files beside config.json and the weights, got ${quote(name)}; those are ` +
      'written from `config` and the model.',
  )
}

/** What JSON would leave out without a word is refused. */
function jsonOf(config: object): string {
  return JSON.stringify(
    config,
    (key, value) => {
      if (typeof value !== 'function' && !(typeof value === 'number' && !Number.isFinite(value))) return value
      const what = typeof value === 'function' ? 'a function; give its name' : `${value}`
      throw new ConfigError('save-config', `savePretrained: config.json cannot hold ${quote(key)}: it is ${what}.`)
    },
    2,
  )
}
