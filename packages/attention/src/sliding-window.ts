import {
  add,
  attend,
  attention,
  attentionPattern,
  broadcastTo,
  ConfigError,
  cast,
  concat,
  full,
  hasKernel,
  lessEqual,
  mul,
  narrow,
  notEqual,
  onesLike,
  pad,
  reshape,
  ShapeError,
  sub,
  type Tensor,
  type Tensor2D,
  type Tensor3D,
  type Tensor4D,
  tensor,
  transpose,
} from '@filature/tensor'
import { type Globals, type GlobalTokens, globalsOf } from './global-tokens.ts'
import { addBiases, fillBias, maskBias } from './masks.ts'

export interface SlidingWindowOptions {
  /** Keys on each side that a query sees, beside its own position; in steps of `dilation`. */
  window: number
  /** Only keys at or before the query. */
  causal?: boolean
  /** Distance of the keys seen: 2 sees every other one. */
  dilation?: number
  /** Keys that count, (B, T). */
  keep?: Tensor2D | undefined
  /** Tokens that see all and are seen by all. */
  global?: GlobalTokens | undefined
  /** Factor on the scores; 1 / sqrt(D) by default. */
  scale?: number
  /** Looks at the pattern (B, H, T, T) and may replace it. Then the cost is quadratic. */
  pattern?: ((pattern: Tensor4D) => Tensor4D) | undefined
}

/**
 * Attention of each token to its neighbours (Beltagy et al. 2020): symmetric, causal, dilated, with global tokens.
 * Time and memory grow with T (window + number of global tokens). A query that may see no key gives zeros.
 * q, k (B, T, H, D), v (B, T, H, E) -> (B, T, H, E)
 */
export function slidingWindowAttention(q: Tensor4D, k: Tensor4D, v: Tensor4D, options: SlidingWindowOptions): Tensor4D {
  const { window, dilation = 1, keep, scale = 1 / Math.sqrt(q.shape[3]) } = options
  const [B, T] = q.shape
  check(window, 0, 'window')
  check(dilation, 1, 'dilation')
  if (k.shape[0] !== B || k.shape[1] !== T || v.shape[1] !== T || (keep && keep.shape.join() !== `${B},${T}`)) {
    throw new ShapeError(
      'window-shape',
      `slidingWindowAttention: wanted q, k, v of one length and keep (B, T); got q [${q.shape}], k [${k.shape}], ` +
        `v [${v.shape}]${keep ? `, keep [${keep.shape}]` : ''}.`,
    )
  }
  const globals = options.global && globalsOf(options.global, B, T)
  const settings = { ...options, dilation, scale }
  if (options.pattern) return dense(q, k, v, settings, options.pattern)
  const local =
    globals || !hasKernel({ name: 'Attention' }) ? chunked(q, k, v, settings, globals) : inOneKernel(q, k, v, settings)
  return globals ? globals.replaceRows(local, globalRows(q, k, v, settings, globals)) : local
}

type Settings = SlidingWindowOptions & { dilation: number; scale: number }

function check(value: number, least: number, what: string): void {
  if (!Number.isInteger(value) || value < least) {
    throw new ConfigError('window-size', `slidingWindowAttention: wanted a whole ${what} >= ${least}, got ${value}.`)
  }
}

/** Which key each query sees, by definition: bool (B, T, T). Quadratic; the chunked path never makes it. */
export function slidingWindowKeep(
  B: number,
  T: number,
  { window, causal = false, dilation = 1, keep, global }: Omit<SlidingWindowOptions, 'scale' | 'pattern'>,
): Tensor3D {
  const globals = global && globalsOf(global, B, T)
  const seen = new Uint8Array(B * T * T)
  for (let b = 0; b < B; b++) {
    for (let i = 0; i < T; i++) {
      for (let j = 0; j < (causal ? i + 1 : T); j++) {
        const near = Math.abs(i - j) <= window * dilation && (i - j) % dilation === 0
        if (near || globals?.has(b, i) || globals?.has(b, j)) seen[(b * T + i) * T + j] = 1
      }
    }
  }
  const mask = tensor(seen, [B, T, T], 'bool') as Tensor3D
  return keep ? (notEqual(mul(cast(mask, 'int32'), reshape(cast(keep, 'int32'), [B, 1, T])), 0) as Tensor3D) : mask
}

/** The definition: the whole pattern, masked. */
function dense(
  q: Tensor4D,
  k: Tensor4D,
  v: Tensor4D,
  options: Settings,
  look: (pattern: Tensor4D) => Tensor4D,
): Tensor4D {
  const [B, T] = q.shape
  const { scale, global } = options
  const bias = maskBias(slidingWindowKeep(B, T, options))
  const local = attentionPattern(q, k, { bias, scale })
  const own = global?.projected
  const globals = global && globalsOf(global, B, T)
  if (!globals || !own) return attend(look(local), v)
  const row: Tensor4D = reshape(globals.rows(), [B, 1, T, 1])
  const others = sub(onesLike(row), row)
  const pattern = look(add(mul(local, others), mul(attentionPattern(own.q, own.k, { bias, scale }), row)))
  return add(attend(mul(pattern, others), v), attend(mul(pattern, row), own.v))
}

/** How a sequence is cut: `phases` interleaved sequences (dilation), each into `chunks` of `size` positions. */
interface Cut {
  phases: number
  chunks: number
  size: number
}

/** (B, T, W) -> (B * phases, chunks, size, W), missing positions zero. */
function cutUp(x: Tensor3D, { phases, chunks, size }: Cut): Tensor4D {
  const [B, T, W] = x.shape
  const padded = pad(x, [
    [0, 0],
    [0, phases * chunks * size - T],
    [0, 0],
  ])
  const apart: Tensor4D = reshape(padded, [B, chunks * size, phases, W])
  return reshape(phases === 1 ? apart : transpose(apart, [0, 2, 1, 3]), [B * phases, chunks, size, W])
}

/** The inverse of `cutUp`: (B * phases * chunks, size, W) -> (B, T, W) */
function joinUp(x: Tensor3D, { phases, chunks, size }: Cut, B: number, T: number): Tensor3D {
  const W = x.shape[2]
  const apart: Tensor4D = reshape(x, [B, phases, chunks * size, W])
  const inOrder = phases === 1 ? apart : transpose(apart, [0, 2, 1, 3])
  return narrow(reshape(inOrder, [B, phases * chunks * size, W]), 1, 0, T)
}

/** Each chunk with its neighbours: (N, chunks, size, W) -> (N * chunks, 2 or 3 * size, W) */
function withNeighbours(x: Tensor4D, causal: boolean): Tensor3D {
  const [N, chunks, size, W] = x.shape
  if (chunks === 1) return reshape(x, [N, size, W])
  const padded = pad(x, [
    [0, 0],
    [1, causal ? 0 : 1],
    [0, 0],
    [0, 0],
  ])
  const shifts = causal ? [0, 1] : [0, 1, 2]
  const joined = concat(
    shifts.map((shift) => narrow(padded, 1, shift, shift + chunks)),
    2,
  )
  return reshape(joined, [N * chunks, shifts.length * size, W])
}

/** (B, T, H, D) -> (B, T, H * D) */
const flat = (x: Tensor4D): Tensor3D => reshape(x, [x.shape[0], x.shape[1], x.shape[2] * x.shape[3]])

/** A kernel that knows windows never computes the scores outside: its cost is linear as it stands. */
function inOneKernel(q: Tensor4D, k: Tensor4D, v: Tensor4D, options: Settings): Tensor4D {
  const [B, T] = q.shape
  const { window, causal = false, dilation, keep, scale } = options
  const cut: Cut = { phases: dilation, chunks: 1, size: Math.ceil(T / dilation) }
  const { size } = cut
  const counts = keep ? cast(keep, 'float32') : T % dilation === 0 ? undefined : (full([B, T], 1) as Tensor2D)
  const bias = counts && fillBias(reshape(cutUp(reshape(counts, [B, T, 1]), cut), [B * dilation, 1, 1, size]))
  const apart = (x: Tensor4D): Tensor4D =>
    dilation === 1 ? x : reshape(cutUp(flat(x), cut), [B * dilation, size, x.shape[2], x.shape[3]])
  const near = [window, causal ? 0 : window] as const
  const out = attention(apart(q), apart(k), apart(v), { window: near, bias, scale })
  return dilation === 1 ? out : reshape(joinUp(flat(out), cut, B, T), [B, T, out.shape[2], out.shape[3]])
}

function chunked(q: Tensor4D, k: Tensor4D, v: Tensor4D, options: Settings, globals: Globals | undefined): Tensor4D {
  const [B, T, H, D] = q.shape
  const E = v.shape[3]
  const { window, causal = false, dilation, keep, scale } = options
  const each = Math.ceil(T / dilation)
  const size = Math.min(Math.max(window, 16), each) // at least the window: one neighbour on each side suffices
  const cut: Cut = { phases: dilation, chunks: Math.ceil(each / size), size }
  const parts = dilation * cut.chunks
  const N = B * parts
  const near = (x: Tensor3D) => withNeighbours(cutUp(x, cut), causal) // (N, keys, W)

  const counts: Tensor2D = globals ? sub(full([B, T], 1), globals.rows()) : full([B, T], 1)
  const kept = keep ? mul(counts, cast(keep, 'float32')) : counts
  const valid = near(reshape(kept, [B, T, 1])) // no padding, no global token: those come as columns of their own
  const neighbours = valid.shape[1]
  let bias = add(
    broadcastTo(fillBias(reshape(valid, [N, 1, 1, neighbours])), [N, 1, size, neighbours]),
    band(size, cut.chunks > 1, window, causal),
  )
  let keys = near(flat(k))
  let values = near(flat(v))
  if (globals) {
    const { count } = globals
    keys = concat([keys, spread(flat(globals.pick(k)), parts)], 1)
    values = concat([values, spread(flat(globals.pick(v)), parts)], 1)
    const seen = spread(reshape(globals.kept(keep), [B, count, 1]), parts)
    const reach = broadcastTo(fillBias(reshape(seen, [N, 1, 1, count])), [N, 1, size, count])
    bias = concat([bias, causal ? add(reach, notBefore(cut, B, globals)) : reach], 3)
  }
  const S = keys.shape[1]
  const out = attention(
    reshape(cutUp(flat(q), cut), [N, size, H, D]),
    reshape(keys, [N, S, H, D]),
    reshape(values, [N, S, H, E]),
    { bias, scale },
  ) // (N, size, H, E)
  return reshape(joinUp(flat(out), cut, B, T), [B, T, H, E])
}

/** (B, G, W) -> (B * parts, G, W), each row repeated. */
function spread(x: Tensor3D, parts: number): Tensor3D {
  const [B, G, W] = x.shape
  return reshape(broadcastTo(reshape(x, [B, 1, G * W]), [B, parts, G * W]), [B * parts, G, W])
}

/** The window as a bias within a chunk and its neighbours, (1, 1, size, keys). */
function band(size: number, neighbours: boolean, window: number, causal: boolean): Tensor4D {
  const keys = neighbours ? (causal ? 2 : 3) * size : size
  const bias = new Float32Array(size * keys).fill(Number.NEGATIVE_INFINITY)
  for (let a = 0; a < size; a++) {
    const here = neighbours ? a + size : a
    const last = Math.min(keys - 1, causal ? here : here + window)
    for (let b = Math.max(0, here - window); b <= last; b++) bias[a * keys + b] = 0
  }
  return tensor(bias, [1, 1, size, keys])
}

/** Global columns that lie after the query are not seen: bias (N, 1, size, G). */
function notBefore({ phases, chunks, size }: Cut, B: number, globals: Globals): Tensor4D {
  const positions = Int32Array.from({ length: phases * chunks * size }, (_, place) => {
    const phase = Math.floor(place / (chunks * size))
    return (place % (chunks * size)) * phases + phase
  })
  const queries = tensor(positions, [1, phases * chunks, size, 1], 'int32')
  const columns = reshape(globals.positions(), [B, 1, 1, globals.count])
  const full4 = [B, phases * chunks, size, globals.count] as const
  const seen = lessEqual(broadcastTo(columns, full4), queries)
  return reshape(fillBias(seen), [B * phases * chunks, 1, size, globals.count])
}

/** The global tokens' own rows: attention to the whole sequence. -> (B, G, H, E) */
function globalRows(q: Tensor4D, k: Tensor4D, v: Tensor4D, options: Settings, globals: Globals): Tensor4D {
  const [B, T] = q.shape
  const { keep, causal, scale, global } = options
  const own = global?.projected ?? { q, k, v }
  const columns = keep && reshape(fillBias(keep), [B, 1, 1, T])
  let reach: Tensor | undefined
  if (causal) {
    const places: Tensor = tensor(
      Int32Array.from({ length: T }, (_, j) => j),
      [1, 1, 1, T],
      'int32',
    )
    const rows = reshape(globals.positions(), [B, 1, globals.count, 1])
    reach = fillBias(lessEqual(broadcastTo(places, [B, 1, globals.count, T]), rows))
  }
  return attention(globals.pick(own.q), own.k, own.v, { bias: addBiases(columns, reach), scale })
}
