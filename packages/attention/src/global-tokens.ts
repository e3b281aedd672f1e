import {
  add,
  ConfigError,
  cast,
  gather,
  matMul,
  mul,
  onesLike,
  reshape,
  sub,
  type Tensor,
  type Tensor2D,
  type Tensor4D,
  tensor,
} from '@filature/tensor'

/** Tokens that see all and are seen by all: class tokens, the words of a question. */
export interface GlobalTokens {
  /** Their positions, one list for each sequence of the batch; lists may differ in length. */
  positions: readonly (readonly number[])[]
  /** Projections of their own (Longformer), (B, T, H, D): used for what the global tokens see. */
  projected?: { q: Tensor4D; k: Tensor4D; v: Tensor4D } | undefined
}

/** Global tokens of a batch, lists filled up to one length G with slots that do not count. */
export interface Globals {
  /** G */
  count: number
  has(row: number, position: number): boolean
  /** 1 at global tokens, (B, T). */
  rows(): Tensor2D
  /** Of every slot, int32 (B, G); slots that do not count say 0. */
  positions(): Tensor2D
  /** Slots that count (and are kept), (B, G). */
  kept(keep: Tensor2D | undefined): Tensor2D
  /** (B, T, H, D) -> (B, G, H, D) */
  pick(x: Tensor4D): Tensor4D
  /** `x` (B, T, H, E) with the rows of the global tokens from `rows` (B, G, H, E). */
  replaceRows(x: Tensor4D, rows: Tensor4D): Tensor4D
}

export function globalsOf({ positions }: GlobalTokens, B: number, T: number): Globals | undefined {
  if (positions.length !== B) {
    throw new ConfigError(
      'global-lists',
      `Global tokens: wanted ${B} lists of positions, one for each sequence, got ${positions.length}.`,
    )
  }
  const sets = positions.map((list) => new Set(list))
  for (const p of sets.flatMap((set) => [...set])) {
    if (!Number.isInteger(p) || p < 0 || p >= T) {
      throw new ConfigError('global-position', `Global tokens: wanted positions from 0 to ${T - 1}, got ${p}.`)
    }
  }
  const count = Math.max(...sets.map((set) => set.size))
  if (count === 0) return undefined

  const slots = sets.map((set) => [...set, ...new Array<number>(count - set.size).fill(0)])
  const used = sets.map((set) => Array.from({ length: count }, (_, i) => (i < set.size ? 1 : 0)))
  const marks = new Float32Array(B * T)
  const scatter = new Float32Array(B * T * count) // row of each slot
  slots.forEach((list, b) => {
    list.forEach((p, g) => {
      if (!used[b]![g]) return
      marks[b * T + p] = 1
      scatter[(b * T + p) * count + g] = 1
    })
  })
  const flat = () =>
    tensor(Int32Array.from(slots.flatMap((list, b) => list.map((p) => b * T + p))), [B * count], 'int32')
  const pickRows = (x: Tensor): Tensor => {
    const rest = x.shape.slice(2)
    return reshape(gather(reshape(x, [B * T, ...rest]), flat()), [B, count, ...rest])
  }
  return {
    count,
    has: (row, position) => sets[row]!.has(position),
    rows: () => tensor(marks, [B, T]),
    positions: () => tensor(Int32Array.from(slots.flat()), [B, count], 'int32'),
    kept: (keep) => {
      const counted: Tensor2D = tensor(Float32Array.from(used.flat()), [B, count])
      return keep ? mul(counted, pickRows(cast(keep, 'float32'))) : counted
    },
    pick: (x) => pickRows(x) as Tensor4D,
    replaceRows: (x, rows) => {
      const [, , H, E] = x.shape
      const isGlobal = reshape(tensor(marks, [B, T]), [B, T, 1, 1])
      const placed = matMul(tensor(scatter, [B, T, count]), reshape(rows, [B, count, H * E]))
      return add(mul(x, sub(onesLike(isGlobal), isGlobal)), reshape(placed, [B, T, H, E]))
    },
  }
}
