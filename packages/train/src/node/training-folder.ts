import { randomBytes } from 'node:crypto'
import { mkdir, open, readdir, rename, rm } from 'node:fs/promises'
import { join } from 'node:path'
import {
  bytesOf,
  type HeldDtype,
  layoutSafetensors,
  load,
  openCheckpoint,
  safetensorsChunks,
  save,
  type TensorToWrite,
  toFloat32,
  writeFileAtomic,
} from '@filature/checkpoint'
import { CheckpointError, parametersOf, type Tensor, tensor } from '@filature/tensor'
import type { Progress, StoredTraining, TrainingState, TrainingStore } from '../training-state.ts'

const NAME = /^checkpoint-(\d+)$/
const TEMPORARY = /^\.checkpoint-\d+\.(\d+)-[0-9a-f]+\.tmp$/

export interface TrainingFolderOptions {
  /** Texts that every checkpoint gets beside its weights, by file name: `config.json`, a vocabulary. */
  readonly files?: Readonly<Record<string, string>>
}

/**
 * A folder of checkpoints: `checkpoint-1200/` with `model.safetensors` (as any loader reads it), `training.safetensors`
 * (optimizer, random state, data position, step) and the files given. A checkpoint is written beside its place,
 * synced, and renamed as a whole, so that it is there complete or not at all, whenever the process dies. The newest and
 * the best one are kept.
 */
export function trainingFolder(path: string, { files = {} }: TrainingFolderOptions = {}): TrainingStore {
  return {
    name: path,

    async save(model, state) {
      await mkdir(path, { recursive: true })
      const name = `checkpoint-${state.progress.step}`
      const temporary = join(path, temporaryName(name))
      await removeAbandoned(path)
      try {
        await mkdir(temporary)
        await save(model, join(temporary, 'model.safetensors'))
        await writeTraining(join(temporary, 'training.safetensors'), state)
        for (const [file, text] of Object.entries(files)) {
          await writeFileAtomic(join(temporary, file), [new TextEncoder().encode(text)])
        }
        await sync(temporary)
        await discard(path, name) // a run that went on from an older checkpoint passes the same steps again
        await rename(temporary, join(path, name))
      } catch (error) {
        await rm(temporary, { recursive: true, force: true })
        throw error
      }
      await sync(path)
      const kept = new Set([state.progress.step, state.progress.best?.step])
      for (const step of await stepsIn(path)) if (!kept.has(step)) await discard(path, `checkpoint-${step}`)
    },

    async load() {
      const newest = await newestCheckpoint(path)
      return newest === undefined ? undefined : await readCheckpoint(newest)
    },
  }
}

/** Folder of the best checkpoint of a run by its evaluations, or of the newest where none was evaluated. */
export async function bestCheckpoint(path: string): Promise<string> {
  const steps = await stepsIn(path)
  const newest = steps.at(-1)
  if (newest === undefined) {
    throw new CheckpointError('no-checkpoint', `${path}: wanted a folder with a checkpoint-N inside, found none.`)
  }
  const { best } = await readProgress(join(path, `checkpoint-${newest}`))
  return join(path, `checkpoint-${best && steps.includes(best.step) ? best.step : newest}`)
}

/** Folder of the newest checkpoint of a run; undefined where there is none. */
export async function newestCheckpoint(path: string): Promise<string | undefined> {
  const newest = (await stepsIn(path)).at(-1)
  return newest === undefined ? undefined : join(path, `checkpoint-${newest}`)
}

async function stepsIn(path: string): Promise<number[]> {
  const entries = await readdir(path).catch((error: NodeJS.ErrnoException) => {
    if (error.code === 'ENOENT') return []
    throw error
  })
  return entries
    .flatMap((entry) => NAME.exec(entry)?.[1] ?? [])
    .map(Number)
    .sort((a, b) => a - b)
}

async function writeTraining(file: string, { progress, tensors }: TrainingState): Promise<void> {
  const entries = [...tensors].map(([name, x]): TensorToWrite => {
    const bytes = async () => bytesOf((await x.data()) as Float32Array, 'F32', `saving ${name}`)
    return { name, dtype: 'F32', shape: x.shape, bytes }
  })
  const layout = layoutSafetensors(entries, { format: 'pt', progress: JSON.stringify(progress) })
  await writeFileAtomic(file, safetensorsChunks(layout))
}

async function openTraining(folder: string) {
  const file = join(folder, 'training.safetensors')
  const training = await openCheckpoint(file)
  const text = training.metadata.get('progress')
  if (typeof text === 'string') {
    try {
      return { training, progress: JSON.parse(text) as Progress }
    } catch {
      // said below
    }
  }
  await training.close()
  throw new CheckpointError(
    'training-state',
    `${file}: it has no readable training progress; it is not from a trainer.`,
  )
}

async function readProgress(folder: string): Promise<Progress> {
  const { training, progress } = await openTraining(folder)
  await training.close()
  return progress
}

async function readCheckpoint(folder: string): Promise<StoredTraining> {
  const { training, progress } = await openTraining(folder)
  const tensors = new Map<string, Tensor>()
  try {
    for (const name of training.names()) {
      const values = toFloat32(await training.read(name), `${folder}: ${name}`)
      tensors.set(name, tensor(values, [...training.info(name).shape]))
    }
  } catch (error) {
    for (const x of tensors.values()) x.dispose()
    throw error
  } finally {
    await training.close()
  }
  return {
    progress,
    tensors,
    async fill(model) {
      await using weights = await openCheckpoint(join(folder, 'model.safetensors'))
      const held = parametersOf(model)
      const formatOf = (path: string) => (held.get(path)?.hasValue ? held.get(path)!.store.format : 'float32')
      await load(model, weights, { dtype: (path) => heldAs[formatOf(path)] ?? 'float32' })
    },
  }
}

/** How weights come back that were not float32: blocks are written as float32, and stay so. */
const heldAs: Record<string, HeldDtype> = { bf16: 'bf16', f16: 'stored' }

const temporaryName = (name: string) => `.${name}.${process.pid}-${randomBytes(4).toString('hex')}.tmp`

/** Takes a checkpoint away: first its name, then its files, so that no half of it is ever found. */
async function discard(path: string, name: string): Promise<void> {
  const going = join(path, temporaryName(name))
  try {
    await rename(join(path, name), going)
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return
    throw error
  }
  await rm(going, { recursive: true, force: true })
}

/** Removes what processes that were killed left behind. */
async function removeAbandoned(path: string): Promise<void> {
  for (const entry of await readdir(path)) {
    const pid = Number(TEMPORARY.exec(entry)?.[1])
    if (pid && pid !== process.pid && !isAlive(pid)) await rm(join(path, entry), { recursive: true, force: true })
  }
}

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0)
    return true
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'EPERM'
  }
}

async function sync(folder: string): Promise<void> {
  if (process.platform === 'win32') return // folders cannot be opened there; NTFS journals the rename
  const handle = await open(folder, 'r')
  try {
    await handle.sync()
  } finally {
    await handle.close()
  }
}
