import { ConfigError, type Module, modulesOf, ShapeError, type Tensor2D, type Tensor3D } from '@filature/tensor'

/** One feed-forward layer as key-value memories: where to look, and what its values are. */
export interface MemoryLayer {
  /** Path of the tap of the coefficients, (B, T, F). */
  readonly memory: string
  /** Path of the tap before the activation, by which triggers are ranked; the coefficients rank them without it. */
  readonly pre?: string | undefined
  /** Path of the tap of the stream that enters the layer's addition, (B, T, C). */
  readonly residual?: string | undefined
  /** Path of the tap of the layer's output, bias included, (B, T, C). */
  readonly ffn?: string | undefined
  /** The values, (F, C): what each memory adds to the stream. */
  values(): Tensor2D
}

/** A causal language model, and where its memories are. */
export interface MemoryModel {
  readonly model: Module
  readonly layers: readonly MemoryLayer[]
  /** The matrix that reads the stream in the vocabulary, (V, C). */
  unembedding(): Tensor2D
  /** ids int32 (B, T) -> logits (B, T, V) */
  logits(ids: Tensor2D): Tensor3D
}

/**
 * Finds the feed-forward layers of any model of ours: the modules that tap `memory`, in order, with the taps `pre`
 * beside it and `residual` and `ffn` of the block around it.
 * @param values the values (F, C) of such a module: `(mlp) => mlp.c_proj.weight.value` of GPT-2,
 *   `(mlp) => transpose(mlp.down_proj.weight.value)` of LLaMA
 */
export function findMemories<M extends Module>(
  model: Module,
  kind: abstract new (...args: never[]) => M,
  values: (module: M) => Tensor2D,
): MemoryLayer[] {
  const modules = new Map(modulesOf(model))
  const has = (path: string, tap: string) => {
    const module = modules.get(path)
    return module !== undefined && (module.constructor as typeof Module).taps.includes(tap)
  }
  const found = [...modules].filter((entry): entry is [string, M] => entry[1] instanceof kind)
  if (found.length === 0) {
    throw new ConfigError(
      'lens-memories',
      `findMemories: ${model.constructor.name} holds no ${kind.name}; name its feed-forward layer.`,
    )
  }
  return found.map(([path, module]) => {
    if (!has(path, 'memory')) {
      throw new ConfigError('lens-tap', `findMemories: ${kind.name} at ${path} does not tap 'memory'.`)
    }
    const block = path === '' ? undefined : path.slice(0, Math.max(0, path.lastIndexOf('.')))
    const tapOf = (of: string, tap: string) => (of === '' ? tap : `${of}.${tap}`) // '' is the model itself
    const at = (of: string | undefined, tap: string) => (of !== undefined && has(of, tap) ? tapOf(of, tap) : undefined)
    return {
      memory: tapOf(path, 'memory'),
      pre: at(path, 'pre'),
      residual: at(block, 'residual'),
      ffn: at(block, 'ffn'),
      values: () => values(module),
    }
  })
}

/** Sentences of token ids. */
export type Corpus = readonly ArrayLike<number>[]

/** The longest sentence; refuses an empty corpus. */
export function longest(corpus: Corpus): number {
  const T = Math.max(0, ...corpus.map((sentence) => sentence.length))
  if (T === 0) throw new ShapeError('lens-corpus', 'The lens wants sentences of at least one token, got none.')
  return T
}

export function requireCount(who: string, key: string, value: number): void {
  if (Number.isInteger(value) && value >= 1) return
  throw new ConfigError('lens-option', `${who}: wanted ${key} as a whole number of at least 1, got ${value}.`)
}
