// Calls every function of the addon with arguments that fit, with one that does not, and with anything at all:
// fuzz-arguments.ts CALLS SEED. An error is fine, a crash is not. Run by tests in a process of its own; prints how many calls
// of each function were taken and refused, as JSON.
import { type Addon, loadAddon } from '../addon.ts'

const [calls = '20000', seed = '1'] = process.argv.slice(2)
const addon = loadAddon() as unknown as Record<string, (...args: unknown[]) => unknown>

let state = Number(seed) >>> 0
const random = (n: number) => {
  state = (Math.imul(state, 1664525) + 1013904223) >>> 0
  return Math.floor((state / 2 ** 32) * n)
}
const pick = <T>(items: readonly T[]): T => items[random(items.length)]!
const flag = () => random(2) === 1
const size = () => pick([0, 1, 1, 2, 3, 4, 5, 8, 17, 33])
const real = () => random(100) / 50 - 1
const word = () => random(2 ** 32)
const floats = (n: number) => Float32Array.from({ length: n + random(3) }, real)
const maybe = (n: number) => (flag() ? floats(n) : null)
const ids = (n: number, limit: number) => Int32Array.from({ length: n }, () => random(Math.max(1, limit)))
const several = <T>(n: number, make: () => T) => Array.from({ length: n }, make)
const draw = () => [...several(4, word), word(), real()]

/** rank, then six sizes and steps of a, b and out: contiguous, a broadcast along some axes. */
function walk(): [Float64Array, n: number] {
  const w = new Float64Array(25)
  const rank = 1 + random(3)
  const sizes = several(rank, () => 1 + random(5))
  w[0] = rank
  let step = 1
  for (let axis = rank - 1; axis >= 0; axis--) {
    w[1 + axis] = sizes[axis]!
    w[7 + axis] = flag() ? step : 0
    w[13 + axis] = step
    w[19 + axis] = step
    step *= sizes[axis]!
  }
  return [w, step]
}

function gemm(): unknown[] {
  const [M, N, K] = [size(), size(), size()]
  const [ta, tb] = [flag(), flag()]
  const [aRow, aCol, bRow, bCol] = [ta ? 1 : K, ta ? M : 1, tb ? 1 : N, tb ? K : 1]
  const kind = random(8)
  const [a, b, c] = [floats(M * K), floats(K * N), floats(M * N)]
  return [M, N, K, aRow, aCol, bRow, bCol, N, flag(), kind, a, b, c, maybe(N), maybe(M * N)]
}

function gemmBatched(): unknown[] {
  const [batches, M, N, K] = [random(4), size(), size(), size()]
  const offsets = (step: number) => Float64Array.from({ length: batches }, (_, i) => i * step)
  const arrays = [floats(batches * M * K), floats(batches * K * N), floats(batches * M * N)]
  return [batches, M, N, K, K, 1, N, 1, offsets(M * K), offsets(K * N), ...arrays]
}

function attention(gradient: boolean): unknown[] {
  const [B, T, S, G, D, E] = [random(3), size(), size(), 1 + random(2), size(), size()]
  const H = G * (1 + random(2))
  const bias = flag()
  const head = [B, T, S, H, G, D, E, ...(bias ? [H * T * S, T * S, S, 1] : [0, 0, 0, 0]), real(), size(), size(), flag()]
  const [q, k, v] = [floats(B * T * H * D), floats(B * S * G * D), floats(B * S * G * E)]
  const inputs = [...head, ...draw(), q, k, v, bias ? floats(B * H * T * S + 1) : null]
  const [out, rows] = [B * T * H * E, B * H * T]
  if (!gradient) return [...inputs, floats(out), maybe(rows)]
  const grads = [maybe(B * T * H * D), maybe(B * S * G * D), maybe(B * S * G * E), maybe(B * H * T * S)]
  return [...inputs, floats(out), floats(rows), floats(out), ...grads]
}

function additive(gradient: boolean): unknown[] {
  const [B, T, S, A] = [random(3), size(), size(), 1 + size()]
  const inputs = [B, T, S, A, floats(B * T * A), floats(B * S * A), floats(A), floats(B * T * S)]
  return gradient ? [...inputs, maybe(B * T * A), maybe(B * S * A), maybe(A)] : inputs
}

function recurrent(gradient: boolean): unknown[] {
  const cell = random(4)
  const [T, B, I, H] = [random(4), random(5), size(), size()]
  const n = [1, 1, 4, 3][cell]!
  const state = () => (cell === 2 ? floats(B * H) : null)
  const weights = [floats(n * H * I), floats(n * H * H), maybe(n * H), maybe(n * H)]
  const head = [cell, flag(), T, B, I, H, floats(T * B * I), floats(B * H), state(), ...weights, floats(T * B * H)]
  const reserve = floats(T * B * H * [0, 0, 5, 4][cell]!)
  if (!gradient) return [...head, floats(B * H), state(), reserve]
  const upstream = [maybe(T * B * H), maybe(B * H), maybe(B * H)]
  const inputs = [maybe(T * B * I), maybe(B * H), maybe(B * H)]
  return [...head, reserve, ...upstream, ...inputs, maybe(n * H * I), maybe(n * H * H), maybe(n * H), maybe(n * H)]
}

/** format, [elements, bytes] of a block. */
const blockSizes = [[1, 2], [1, 2], [32, 34], [32, 18], [256, 144], [256, 176], [256, 210]] as const
const blocks = (rows: number): [format: number, K: number, weight: Uint8Array] => {
  const format = random(blockSizes.length)
  const [elements, bytes] = blockSizes[format]!
  const count = elements === 1 ? size() : random(3)
  return [format, count * elements, Uint8Array.from({ length: rows * count * bytes }, () => random(256))]
}

/** One array for each size: of a parameter each, in optimizer steps. */
const lists = (sizes: readonly number[]) => sizes.map((n) => floats(n))
const parameters = (sizes: readonly number[]) => [sizes.map((n) => floats(n).subarray(0, n)), lists(sizes)]
const maybeLists = (sizes: readonly number[]) => (flag() ? lists(sizes) : null)
/** A list with an entry that does not fit, or with one that frees another while it is read. */
function woundedList(list: readonly Float32Array[]): unknown {
  const first = list[0]
  if (!(first instanceof Float32Array) || flag()) return [...list, pick(odd)]
  const treacherous: unknown[] = [...list]
  Object.defineProperty(treacherous, list.length, {
    get: () => {
      const { buffer } = first
      if (buffer.byteLength > 0) structuredClone(buffer, { transfer: [buffer] })
      return floats(3)
    },
  })
  return treacherous
}

const elements = (n: number, arrays: number) => [n, ...several(arrays, () => floats(n))]

/** Arguments that fit, by function. */
const fitting: Record<keyof Addon, () => unknown[]> = {
  allocate: () => [random(5000)],
  release: () => [new ArrayBuffer(8)],
  threads: () => [1 + random(3)],
  cores: () => [],
  isa: () => [pick(['auto', 'baseline', 'avx2', 'avx512', 'none'])],
  isas: () => [],
  bf16: () => [flag()],
  bf16Pairs: () => [pick([-1, 0, 1])],
  multiplyAdds: () => [random(100)],
  gemm,
  gemmBatched,
  blockLinear: () => {
    const [M, N] = [size(), size()]
    const [format, K, weight] = blocks(N)
    return [format, M, N, K, floats(M * K), weight, floats(M * N)]
  },
  blockRows: () => {
    const [n, rows] = [size(), 1 + size()]
    const [format, K, weight] = blocks(rows)
    return [format, n, rows, K, ids(n, rows), weight, floats(n * K)]
  },
  unary: () => [random(18), ...elements(size(), 2)],
  binary: () => {
    const [w, n] = walk()
    return [random(7), w, floats(n), floats(n), floats(n)]
  },
  binarySame: () => {
    const n = size()
    return [random(7), n, random(2), random(2), floats(n + 1), floats(n + 1), floats(n)]
  },
  scaleAdd: () => {
    const n = size()
    return [n, real(), real(), floats(n), floats(n)]
  },
  select: () => {
    const [n, inner] = [size(), size()]
    return [n, inner, new Uint8Array(n).map(() => random(2)), ...several(3, () => floats(n * inner))]
  },
  activation: () => [random(8), ...elements(size(), 2)],
  activationGrad: () => {
    const [rows, columns] = [size(), size()]
    return [random(8), rows, columns, ...several(3, () => floats(rows * columns)), maybe(columns)]
  },
  swiglu: () => elements(size(), 3),
  swigluGrad: () => {
    const n = size()
    return [...elements(n, 3), maybe(n), maybe(n)]
  },
  copyWalk: () => {
    const [w, n] = walk()
    return [w, pick([floats(n), ids(n, 9)]), floats(n)]
  },
  reduceRows: () => {
    const [rows, columns] = [size(), size()]
    return [random(4), rows, columns, floats(rows * columns), floats(rows)]
  },
  reduceColumns: () => {
    const [batches, rows, columns] = [random(4), size(), size()]
    return [random(4), batches, rows, columns, floats(batches * rows * columns), floats(batches * columns)]
  },
  softmax: () => {
    const [rows, columns] = [size(), size()]
    return [rows, columns, flag(), floats(rows * columns), floats(rows * columns)]
  },
  fill: () => {
    const n = size()
    return [n, word(), pick([floats(n), ids(n, 1)])]
  },
  gather: () => {
    const [batches, rows, n, width] = [random(3), 1 + size(), size(), size()]
    return [batches, rows, n, width, floats(batches * rows * width), ids(n, rows), floats(batches * n * width)]
  },
  scatterAdd: () => {
    const [n, width, rows] = [size(), size(), size()]
    return [n, width, rows, random(4) - 1, floats(n * width), ids(n, rows + 3), floats(rows * width)]
  },
  topK: () => {
    const [rows, columns] = [size(), size()]
    const k = random(columns + 1)
    return [rows, columns, k, floats(rows * columns), floats(rows * k), ids(rows * k, 1)]
  },
  sumSquares: () => elements(size(), 1),
  layerNorm: () => {
    const [rows, C] = [size(), size()]
    return [rows, C, 1e-5, floats(rows * C), maybe(C), maybe(C), floats(rows * C), maybe(rows), maybe(rows)]
  },
  layerNormGrad: () => {
    const [rows, C] = [size(), size()]
    const saved = [floats(rows), floats(rows), floats(rows * C)]
    return [rows, C, floats(rows * C), maybe(C), ...saved, maybe(rows * C), maybe(C), maybe(C)]
  },
  rmsNorm: () => {
    const [rows, C] = [size(), size()]
    return [rows, C, 1e-5, floats(rows * C), floats(C), floats(rows * C), maybe(rows)]
  },
  rmsNormGrad: () => {
    const [rows, C] = [size(), size()]
    return [rows, C, floats(rows * C), floats(C), floats(rows), floats(rows * C), maybe(rows * C), maybe(C)]
  },
  rotary: () => {
    const [B, T, H, half] = [random(3), size(), random(4), random(5)]
    const D = 2 * half + random(3)
    const [n, angles] = [B * T * H * D, Math.max(1, B) * T * half]
    return [B, T, H, D, 2 * half, flag(), flag(), flag(), floats(n), floats(angles), floats(angles), floats(n)]
  },
  crossEntropy: () => {
    const [rows, V] = [size(), 1 + size()]
    return [rows, V, -100, real(), floats(rows * V), ids(rows, V), floats(rows), floats(rows)]
  },
  crossEntropyGrad: () => {
    const [rows, V] = [size(), 1 + size()]
    return [rows, V, -100, 0.1, floats(rows * V), ids(rows, V), floats(rows), floats(rows), floats(rows * V)]
  },
  dropout: () => {
    const n = size()
    return [n, ...draw(), floats(n), floats(n)]
  },
  philox: () => {
    const n = size()
    return [random(9), n, ...several(4, word), ids(n, 1)]
  },
  attention: () => attention(false),
  attentionGrad: () => attention(true),
  additiveScores: () => additive(false),
  additiveScoresGrad: () => additive(true),
  recurrent: () => recurrent(false),
  recurrentGrad: () => recurrent(true),
  adamw: () => {
    const sizes = several(random(4), size)
    return [...several(8, real), flag(), ...parameters(sizes), lists(sizes), lists(sizes), maybeLists(sizes)]
  },
  adagrad: () => {
    const sizes = several(random(4), size)
    return [...several(4, real), flag(), ...parameters(sizes), lists(sizes)]
  },
  sgd: () => {
    const sizes = several(random(4), size)
    return [...several(5, real), flag(), flag(), ...parameters(sizes), maybeLists(sizes)]
  },
  rmsprop: () => {
    const sizes = several(random(4), size)
    return [...several(6, real), flag(), ...parameters(sizes), lists(sizes), maybeLists(sizes), maybeLists(sizes)]
  },
}

const detached = new Float32Array(16)
structuredClone(detached.buffer, { transfer: [detached.buffer] })
const large = [2 ** 31, 2 ** 40, 2 ** 53, Number.POSITIVE_INFINITY]
const others = [-1, 0.5, Number.NaN, '3', undefined, null, {}, [], true, 3n, detached, new Float64Array(25)]
const odd = [...large, ...others, new Uint8Array(64), new Float32Array(3), ids(100, 9)]
// what would be granted: gigabytes, a thousand threads, or billions of rows of nothing
const harmless = (name: string, args: unknown[]) =>
  name === 'allocate' || name === 'threads' || args.includes(0) ? others : odd

const names = Object.keys(fitting) as (keyof Addon)[]
const unknown = Object.keys(addon).filter((name) => !(name in fitting))
const missing = names.filter((name) => typeof addon[name] !== 'function')
if (unknown.length + missing.length) throw new Error(`without arguments here: ${unknown}; not in the addon: ${missing}`)
const count = Object.fromEntries(names.map((name) => [name, { taken: 0, refused: 0 }]))
for (let i = 0; i < Number(calls); i++) {
  const name = pick(names)
  const args = fitting[name]!()
  const wounds = random(3) === 0 ? 0 : random(8) === 0 ? args.length : 1
  for (let k = 0; k < wounds && args.length; k++) {
    const at = random(args.length)
    const list = Array.isArray(args[at]) && flag()
    args[at] = list ? woundedList(args[at] as Float32Array[]) : pick(harmless(name, args))
  }
  if (random(20) === 0) args.length = random(args.length + 1)
  try {
    addon[name]!(...args)
    count[name]!.taken++
  } catch {
    count[name]!.refused++
  }
}
console.log(JSON.stringify(count))
