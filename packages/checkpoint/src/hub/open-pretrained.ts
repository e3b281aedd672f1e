import { ConfigError } from '@filature/tensor'
import { hubFiles, kindOfPath } from '#platform'
import type { Checkpoint } from '../checkpoint.ts'
import { folderFiles } from '../folder.ts'
import { refuse } from '../refuse.ts'
import { bytesOfFile, type ModelFiles, openWeights, textOf, type WeightsOptions } from '../weights.ts'
import type { HubOptions } from './files.ts'
import { checkFileName, checkRepository, defaultEndpoint, type Repository } from './repository.ts'

export interface PretrainedOptions extends HubOptions, WeightsOptions {
  /** Branch, tag or commit of the hub's; `main` by default. Refused for a folder. */
  readonly revision?: string
  /** The hub's address; huggingface.co by default. */
  readonly endpoint?: string
  /** For private and gated repositories. */
  readonly token?: string
}

/** A model's folder that is open: its configuration read, its weights ready to be read. */
export interface Pretrained extends AsyncDisposable {
  readonly name: string
  /** The commit it came from, if from the hub. */
  readonly commit: string | undefined
  /** `config.json`; in Meta's own layout `params.json`; `{}` for a GGUF without either, whose metadata has it all. */
  // biome-ignore lint/suspicious/noExplicitAny: each family of models has its own keys, which its config type checks
  readonly config: Readonly<Record<string, any>>
  readonly checkpoint: Checkpoint
  /** Another file of the folder (`tokenizer.model`), or undefined when there is none. */
  bytes(file: string): Promise<Uint8Array | undefined>
  /** Another file as text (`tokenizer.json`), or undefined when there is none. */
  text(file: string): Promise<string | undefined>
  close(): Promise<void>
}

/**
 * Opens a model by its folder or its id on the hub: `config.json` and the weights under Hugging Face's names
 * (safetensors first, then .bin; sharded or not), or Meta's own `params.json` and `consolidated.00.pth` with its further
 * parts; a GGUF by its name (`weights`), of a split one the first part's. From the hub, files come through the cache that Hugging Face's libraries share, each checked against its hash.
 */
export async function openPretrained(idOrFolder: string, options: PretrainedOptions = {}): Promise<Pretrained> {
  const files = await filesOf(idOrFolder, options)
  const config = await readConfig(files, options.weights?.endsWith('.gguf') ?? false)
  const checkpoint = await openWeights(files, options)
  return {
    name: files.name,
    commit: 'commit' in files ? (files.commit as string | undefined) : undefined,
    config,
    checkpoint,
    async bytes(file) {
      checkFileName(file)
      const source = await files.open(file)
      return source && (await bytesOfFile(source))
    },
    async text(file) {
      checkFileName(file)
      return await optionalText(files, file)
    },
    close: () => checkpoint.close(),
    [Symbol.asyncDispose]: () => checkpoint.close(),
  }
}

async function filesOf(idOrFolder: string, options: PretrainedOptions): Promise<ModelFiles> {
  const isPath = /^(?:\.{0,2}[/\\]|[A-Za-z]:[/\\]|\.{1,2}$)/.test(idOrFolder)
  if (isPath || (await isFolder(idOrFolder))) {
    if (options.revision !== undefined) {
      throw new ConfigError('hub-option', `openPretrained: ${idOrFolder} is a folder; only the hub has a revision.`)
    }
    if (await isFolder(idOrFolder)) return folderFiles(idOrFolder)
    refuse('folder-missing', idOrFolder, 'there is no such folder.')
  }
  const { revision = 'main', endpoint = defaultEndpoint, token } = options
  const repository: Repository = { endpoint, id: idOrFolder, revision, token }
  checkRepository(repository)
  return hubFiles(repository, options)
}

async function isFolder(path: string): Promise<boolean> {
  return (await kindOfPath(path)) === 'folder'
}

async function optionalText(files: ModelFiles, file: string): Promise<string | undefined> {
  const source = await files.open(file)
  return source && (await textOf(source))
}

async function readConfig(files: ModelFiles, optional: boolean): Promise<Record<string, unknown>> {
  for (const name of ['config.json', 'params.json']) {
    const text = await optionalText(files, name)
    if (text !== undefined) return parseConfig(text, name, files.name)
  }
  if (optional) return {}
  refuse('config-missing', files.name, 'there is neither config.json nor params.json.')
}

function parseConfig(text: string, file: string, who: string): Record<string, unknown> {
  let config: unknown
  try {
    config = JSON.parse(text)
  } catch (cause) {
    refuse('config-malformed', who, `its ${file} is not JSON: ${(cause as Error).message}`, cause)
  }
  if (typeof config !== 'object' || config === null || Array.isArray(config)) {
    refuse('config-malformed', who, `its ${file} is not an object.`)
  }
  return config as Record<string, unknown>
}
