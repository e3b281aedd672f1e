// Calls every function of the addon with random arguments, near right ones and wild ones: fuzz-arguments.ts CALLS SEED.
// An error is fine, a crash is not. Run by tests in a process of its own.
import { loadAddon } from '../addon.ts'

const [calls = '20000', seed = '1'] = process.argv.slice(2)
const addon = loadAddon() as unknown as Record<string, (...args: unknown[]) => unknown>
const names = Object.keys(addon).filter(
  (name) => !['threads', 'isa', 'isas', 'cores', 'allocate', 'release'].includes(name),
)

let state = Number(seed) >>> 0
const random = (n: number) => {
  state = (Math.imul(state, 1664525) + 1013904223) >>> 0
  return Math.floor((state / 2 ** 32) * n)
}
const pick = <T>(items: readonly T[]): T => items[random(items.length)]!

const detached = new Float32Array(16)
structuredClone(detached.buffer, { transfer: [detached.buffer] })
const wild = [
  -1,
  0.5,
  Number.NaN,
  Number.POSITIVE_INFINITY,
  2 ** 31,
  2 ** 40,
  2 ** 53,
  '3',
  undefined,
  null,
  {},
  [],
  true,
  3n,
]
const small = () => pick([0, 1, 1, 2, 3, 4, 5, 8, 17])
function argument(): unknown {
  switch (random(12)) {
    case 0:
      return pick(wild)
    case 1:
    case 2:
      return pick([true, false])
    case 3:
      return pick([null, undefined, detached])
    case 4:
      return Int32Array.from({ length: random(100) }, () => random(6) - 1)
    case 5:
      return pick([new Float64Array(25).map(() => random(5)), new Uint8Array(64)])
    case 6:
    case 7:
    case 8:
      return new Float32Array(pick([0, 3, 64, 500, 5000])).map(() => random(100) / 50 - 1)
    default:
      return small()
  }
}

// Argument kinds that fit: sizes first, then arrays large enough for them.
const arity: Record<string, number> = {
  gemm: 15,
  gemmBatched: 13,
  attention: 27,
  attentionGrad: 32,
  recurrent: 17,
  recurrentGrad: 25,
}
let thrown = 0
for (let i = 0; i < Number(calls); i++) {
  const name = pick(names)
  const count = arity[name] ?? 4 + random(12)
  const args = Array.from({ length: count }, argument)
  if (random(2)) {
    // what would mostly be accepted: small sizes, and arrays in the places where numbers stand in the way
    for (let k = 0; k < args.length; k++) {
      if (random(3)) args[k] = k < count / 2 ? small() : new Float32Array(5000)
    }
  }
  try {
    addon[name]!(...args)
  } catch {
    thrown++
  }
}
console.log(`${calls} calls, ${thrown} refused`)
