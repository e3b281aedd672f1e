import { CheckpointError, type FileTensor, isBuffer, type Leaf, sameShape, type TensorTable } from '@filature/tensor'

export interface Misshapen {
  readonly name: string
  readonly wanted: readonly number[]
  readonly got: readonly number[]
}

/** A checkpoint that does not fit the model; nothing was loaded. */
export class StrictLoadError extends CheckpointError {
  /** Parameters that the checkpoint lacks. */
  readonly missing: readonly string[]
  /** Tensors that the model has no place for. */
  readonly unexpected: readonly string[]
  readonly misshapen: readonly Misshapen[]

  constructor(file: string, missing: string[], unexpected: string[], misshapen: Misshapen[]) {
    const shapes = misshapen.map((m) => `${m.name} wanted [${m.wanted}], got [${m.got}]`)
    const parts = [
      ...list('missing', missing),
      ...list('unexpected', unexpected),
      ...list('misshapen', shapes),
      ...hint(missing, unexpected),
    ]
    super('checkpoint-mismatch', `load: ${file} does not fit the model; nothing was loaded.\n${parts.join('\n')}`)
    this.missing = missing
    this.unexpected = unexpected
    this.misshapen = misshapen
  }
}

const shown = 200

function list(what: string, names: readonly string[]): string[] {
  if (names.length === 0) return []
  const rest = names.length > shown ? [`    and ${names.length - shown} more`] : []
  return [`  ${what} (${names.length}):`, ...names.slice(0, shown).map((name) => `    ${name}`), ...rest]
}

/** When all that differs is what stands before the names, says so. */
function hint(missing: readonly string[], unexpected: readonly string[]): string[] {
  const first = missing[0]
  if (first === undefined || unexpected.length === 0) return []
  const longer = unexpected.find((name) => name.endsWith(`.${first}`))
  if (longer !== undefined) {
    const before = longer.slice(0, -first.length)
    return [`  The names in the file begin with '${before}': open that part, load that module, or give a dialect.`]
  }
  const start = unexpected.find((name) => first.endsWith(`.${name}`))
  if (start === undefined) return []
  return [`  The model's names begin with '${first.slice(0, -start.length)}', the file's do not: give a dialect.`]
}

/**
 * Compares what the model has with what the checkpoint has, throws StrictLoadError listing every difference, returns
 * the parameters that keep their values. A tied parameter needs one of its names; a buffer that derives itself none.
 */
export function matchNames(
  state: ReadonlyMap<string, Leaf>,
  table: TensorTable,
  file: string,
  mayKeep: (path: string) => boolean,
): string[] {
  const missing: string[] = []
  const misshapen: Misshapen[] = []
  const kept: string[] = []
  const given = new Set<Leaf>()
  for (const [path, leaf] of state) if (table.has(path)) given.add(leaf)
  for (const [path, leaf] of state) {
    const entry = table.get(path)
    if (entry) {
      if (!sameShape(entry.shape, leaf.shape)) misshapen.push({ name: path, wanted: leaf.shape, got: entry.shape })
    } else if (!given.has(leaf) && !(isBuffer(leaf) && leaf.derive)) {
      if (mayKeep(path)) kept.push(path)
      else missing.push(path)
    }
  }
  const unexpected = [...table.keys()].filter((name) => !state.has(name))
  if (missing.length + unexpected.length + misshapen.length > 0) {
    throw new StrictLoadError(file, missing, unexpected, misshapen)
  }
  return kept
}

/** Frequencies, masks and fill values that checkpoints of the known model families store as floats. */
const knownNonParameters =
  /(?:^|\.)(?:inv_freq|position_ids|masked_bias|freqs_cis|freqs_cos|freqs_sin|rope\.freqs|num_batches_tracked|relative_position_index|token_type_ids)$/

/** Causal masks under the name that GPT-2 and its kin give them. */
const maskName = /(?:^|\.)(?:attn|attention)\.(?:bias|mask)$/

/** Whether a stored tensor cannot be a parameter: integers and truth values, and the known float tables. */
export function isStoredNonParameter(name: string, { dtype, shape }: FileTensor): boolean {
  if (/^[IU]\d|^BOOL/.test(dtype)) return true
  const isMask = maskName.test(name) && shape.length === 4 && shape[0] === 1 && shape[1] === 1 && shape[2] === shape[3]
  return knownNonParameters.test(name) || isMask
}
