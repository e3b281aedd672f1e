import {
  adopt,
  Bf16Store,
  BlockStore,
  type Buffer,
  ConfigError,
  DenseStore,
  type Dialect,
  dispose,
  type FileTensor,
  isBuffer,
  keep,
  type Leaf,
  type Module,
  matcher,
  type Parameter,
  requireMemory,
  stateOf,
  type Tensor,
  type TensorTable,
  tensor,
  tidy,
  type WeightStore,
  type Which,
} from '@filature/tensor'
import type { Checkpoint } from './checkpoint.ts'
import { toFloat32 } from './decode.ts'
import type { TensorValues } from './dtypes.ts'
import { isStoredNonParameter, matchNames } from './match-names.ts'
import { bufferValues, checkDerived } from './read-buffer.ts'
import { quote, refuse } from './refuse.ts'
import { tableOf } from './table.ts'

export interface LoadOptions {
  /** Tensors of the checkpoint that the model does not take, by the model's names; they come back in the result. */
  readonly leaveOut?: Which
  /** Parameters of the model that keep what they have when the checkpoint lacks them (a new head, a frozen part). */
  readonly keep?: Which
  /** How the checkpoint names and lays out the model's tensors, when not as the model does. */
  readonly dialect?: Dialect
  /**
   * How parameters are held: `float32`; `bf16`, half the bytes; or `stored`: matrices that safetensors or GGUF has in
   * blocks or as 16-bit floats stay so, all else is float32 (matrices that a dialect transposes, splits or joins too).
   * What is not float32 cannot be trained. A function decides by path.
   */
  readonly dtype?: HeldDtype | ((path: string) => HeldDtype)
  readonly onProgress?: (progress: LoadProgress) => void
}

export type HeldDtype = (typeof heldDtypes)[number]

const heldDtypes = ['float32', 'bf16', 'stored'] as const

export interface LoadProgress {
  readonly name: string
  /** Parameters' elements so far, and in all. */
  readonly done: number
  readonly total: number
}

export interface LoadResult {
  /** Paths that were filled; a tied parameter under each name that the checkpoint has. */
  readonly loaded: readonly string[]
  /** Tensors of the checkpoint that matched `leaveOut`. */
  readonly leftOut: readonly string[]
  /** Stored things that are no parameters and that the model derives or does without (`inv_freq`, masks). */
  readonly setAside: readonly string[]
  /** Parameters that matched `keep` and are not in the checkpoint. */
  readonly kept: readonly string[]
}

/** What is ready to take its place in the model once everything is. */
interface Staged {
  readonly entry: FileTensor
  commit(): void
  discard(): void
}

/**
 * Fills a model from a checkpoint, strictly: every parameter must be there with its shape, and nothing else. Throws
 * StrictLoadError with all missing, unexpected and misshapen names together. Whatever fails, the model is unchanged.
 * Tensors are read one at a time; a model that holds values already needs room for both until the end. The checkpoint
 * stays open.
 */
export async function load(model: Module, checkpoint: Checkpoint, options: LoadOptions = {}): Promise<LoadResult> {
  const state = stateOf(model)
  const file = tableOf(checkpoint)
  const table = options.dialect ? options.dialect.toOurs(file) : file
  const isLeftOut = options.leaveOut === undefined ? () => false : matcher(options.leaveOut)
  const leftOut = [...table.keys()].filter(isLeftOut)
  const setAside: string[] = []
  const taken: TensorTable = new Map()
  for (const [name, entry] of table) {
    if (isLeftOut(name)) continue
    if (!state.has(name) && isStoredNonParameter(name, entry)) setAside.push(name)
    else taken.set(name, entry)
  }
  const kept = matchNames(
    state,
    taken,
    checkpoint.name,
    options.keep === undefined ? () => false : matcher(options.keep),
  )

  const staged = new Map<Leaf, Staged>()
  const loaded: string[] = []
  const paths = [...state].filter(([path]) => taken.has(path))
  const sizes = new Map(paths.map(([, leaf]) => [leaf, leaf.shape.reduce((a, d) => a * d, 1)]))
  requireMemory(`load: ${model.constructor.name}`, bytesToHold(paths, sizes, taken, options))
  const total = [...sizes.values()].reduce((a, n) => a + n, 0)
  let done = 0
  try {
    for (const [path, leaf] of paths) {
      const who = `${checkpoint.name}: tensor ${quote(path)}`
      const entry = taken.get(path)!
      const first = staged.get(leaf)
      if (first) await checkTied(first.entry, entry, who)
      else {
        staged.set(
          leaf,
          isBuffer(leaf) ? await stageBuffer(leaf, entry, who) : await stage(leaf, path, entry, who, options),
        )
        done += sizes.get(leaf)!
      }
      loaded.push(path)
      options.onProgress?.({ name: path, done, total })
    }
  } catch (error) {
    for (const it of staged.values()) it.discard()
    throw error
  }
  for (const it of staged.values()) it.commit()
  return { loaded, leftOut, setAside, kept }
}

/** What the values take on the backend: packed weights stay outside. A model that holds values keeps them till the end. */
function bytesToHold(
  paths: readonly (readonly [string, Leaf])[],
  sizes: ReadonlyMap<Leaf, number>,
  table: TensorTable,
  options: LoadOptions,
): number {
  const counted = new Map<Leaf, number>()
  for (const [path, leaf] of paths) {
    if (counted.has(leaf)) continue
    const held = isBuffer(leaf) ? 'float32' : heldAs(leaf, path, table.get(path)!, options)
    counted.set(leaf, held === 'float32' ? 4 * sizes.get(leaf)! : 0)
  }
  return [...counted.values()].reduce((a, b) => a + b, 0)
}

/** How a parameter is held; what the file does not have in rows of whole blocks becomes float32. */
function heldAs(
  { shape }: Parameter,
  path: string,
  { blocks }: FileTensor,
  { dtype = 'float32' }: LoadOptions,
): HeldDtype {
  const held = typeof dtype === 'function' ? dtype(path) : dtype
  if (!heldDtypes.includes(held)) {
    throw new ConfigError('load-dtype', `load: dtype must be one of ${heldDtypes.join(', ')}, got ${quote(held)}.`)
  }
  const fits = blocks && shape.length === 2 && shape[1]! % blocks.format.elements === 0
  return held === 'stored' && !fits ? 'float32' : held
}

async function stage(
  parameter: Parameter,
  path: string,
  entry: FileTensor,
  who: string,
  options: LoadOptions,
): Promise<Staged> {
  const held = heldAs(parameter, path, entry, options)
  if (!/F\d/.test(entry.dtype))
    refuse('integer-parameter', who, `wanted real numbers for a parameter, got ${entry.dtype}.`)
  const store = await storeOf(entry, held, parameter.shape, who)
  return { entry, commit: () => parameter.setStore(store), discard: () => store.dispose() }
}

async function storeOf(entry: FileTensor, held: HeldDtype, shape: number[], who: string): Promise<WeightStore> {
  if (held === 'stored') return new BlockStore(shape, entry.blocks!.format, await entry.blocks!.readBytes())
  const values = toFloat32((await entry.read()) as TensorValues, who)
  return held === 'bf16' ? Bf16Store.from(values, shape) : new DenseStore(tidy(() => keep(adopt(values, shape))))
}

/** The other names of a tied parameter must hold the same numbers. */
async function checkTied(first: FileTensor, other: FileTensor, who: string): Promise<void> {
  const a = toFloat32((await first.read()) as TensorValues, who)
  const b = toFloat32((await other.read()) as TensorValues, who)
  for (let i = 0; i < a.length; i++) {
    if (!Object.is(a[i], b[i])) {
      refuse(
        'tied-differ',
        who,
        `it is tied to another tensor in the model, but they differ at index ${i} in the file.`,
      )
    }
  }
}

async function stageBuffer(buffer: Buffer, entry: FileTensor, who: string): Promise<Staged> {
  const values = bufferValues(buffer, (await entry.read()) as TensorValues, who)
  const exact = entry.dtype !== 'F16' && entry.dtype !== 'BF16'
  checkDerived(buffer, values, exact, who)
  if (buffer.derive && !exact) return { entry, commit() {}, discard() {} }
  const value: Tensor = tidy(() => keep(tensor(values, buffer.shape, buffer.dtype)))
  const discard = () => dispose(value)
  return {
    entry,
    commit() {
      buffer.assign(value)
      discard()
    },
    discard,
  }
}
