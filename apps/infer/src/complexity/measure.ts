import { dispose, liveMemory, tidy } from '@filature/tensor'
import type { MeasuredLayer, Size } from './layers.ts'

export interface Cost {
  /** Least milliseconds of a run: what is more than that is the machine's other work. */
  readonly ms: number
  /** Bytes of the tensors that a run holds when it ends: results and what lies between. */
  readonly bytes: number
}

/** Time and memory of one layer at one size: as many runs as `budget` milliseconds allow, 3 at least. */
export async function costOf(layer: MeasuredLayer, size: Size, budget: number): Promise<Cost> {
  const { run, inputs } = layer.prepare(size)
  const times: number[] = []
  let bytes = 0
  const once = async () => {
    const from = performance.now()
    const before = liveMemory().bytes
    const y = tidy(() => {
      const result = run()
      bytes = liveMemory().bytes - before
      return result
    })
    await y.data()
    y.dispose()
    return performance.now() - from
  }
  await once()
  const began = performance.now()
  while (times.length < 3 || (performance.now() - began < budget && times.length < 50)) times.push(await once())
  dispose(inputs)
  return { ms: Math.min(...times), bytes }
}

/** The values that each size goes through. */
export type Sizes = Readonly<Record<keyof Size, readonly number[]>>
/** Costs of a layer as one of its sizes grows, the others being `fixed`. */
export type Curve = (
  layer: MeasuredLayer,
  axis: keyof Size,
  fixed: Size,
) => Promise<readonly (readonly [value: number, cost: Cost])[]>

/** Measures each layer once at each size. */
export function curvesOver(sizes: Sizes, budget: number): Curve {
  const memo = new Map<string, Cost>()
  return async (layer, axis, fixed) => {
    const costs: [number, Cost][] = []
    for (const value of sizes[axis]) {
      const size = { ...fixed, [axis]: value }
      const key = [layer.name, ...layer.axes.map((own) => size[own])].join()
      const cost = memo.get(key) ?? (await costOf(layer, size, budget))
      memo.set(key, cost)
      costs.push([value, cost])
    }
    return costs
  }
}

/** The slope of log y over log x by least squares, the exponent of a power law; of the three largest x: small ones are mostly overhead. */
export function exponentOf(points: readonly (readonly [x: number, y: number])[]): number {
  const largest = [...points].sort(([a], [b]) => a - b).slice(-3)
  const logs = largest.map(([x, y]) => [Math.log(x), Math.log(y)] as const)
  const mean = (i: 0 | 1) => logs.reduce((sum, point) => sum + point[i], 0) / logs.length
  const [mx, my] = [mean(0), mean(1)]
  const covariance = logs.reduce((sum, [x, y]) => sum + (x - mx) * (y - my), 0)
  return covariance / logs.reduce((sum, [x]) => sum + (x - mx) ** 2, 0)
}

/**
 * Where two rising curves over the same x cross, between points on a log-log scale; undefined where they do not. The
 * last crossing counts: what is small is mostly overhead.
 */
export function crossingOf(xs: readonly number[], a: readonly number[], b: readonly number[]): number | undefined {
  const lead = xs.map((_, i) => Math.log(a[i]! / b[i]!))
  for (let i = xs.length - 1; i > 0; i--) {
    if (lead[i - 1]! === 0) return xs[i - 1]
    if (lead[i]! * lead[i - 1]! >= 0) continue
    const part = lead[i - 1]! / (lead[i - 1]! - lead[i]!)
    return Math.exp(Math.log(xs[i - 1]!) + part * Math.log(xs[i]! / xs[i - 1]!))
  }
  return undefined
}
