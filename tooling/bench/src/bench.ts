/** One measurement: set up, run many times, cleaned up. */
export interface Bench {
  readonly name: string
  /** What was measured, in a line. */
  readonly about: string
  /** Floating-point operations of the matrix products in one run: the rate is shown beside the time. */
  readonly flops?: number
  /** Bytes that one run must read: the bandwidth is shown beside the time. */
  readonly bytes?: number
  /** Prepares, and returns what is measured. It must not leave tensors behind. */
  setUp(): Promise<{ run: () => void | Promise<void>; cleanUp?: () => void }>
}

export interface Measurement {
  readonly bench: string
  readonly backend: string
  readonly threads: number
  /** Median, in ms. */
  readonly value: number
  readonly unit: 'ms'
  /** (max - min) / median */
  readonly spread: number
  readonly n: number
  readonly best: number
  /** Processor time of a run over all threads, in ms: what a busy machine does not distort. */
  readonly cpu: number
  readonly gflops?: number
  readonly gbs?: number
}

const warmUp = 3000

/**
 * Times `bench` for about `budget` ms of samples, at least five of them, after some seconds of warm-up. Short runs are
 * repeated inside a sample.
 */
export async function measure(
  bench: Bench,
  where: { backend: string; threads: number },
  budget = 3000,
): Promise<Measurement> {
  const { run, cleanUp } = await bench.setUp()
  try {
    let once = Number.POSITIVE_INFINITY
    // A training run lasts for minutes: V8 has compiled all of a step only after some seconds.
    for (let i = 0, begin = performance.now(); i < 3 || performance.now() - begin < warmUp; i++) {
      const start = performance.now()
      await run()
      once = Math.min(once, performance.now() - start)
    }
    const repeats = Math.max(1, Math.round(20 / once))
    const count = Math.min(51, Math.max(5, Math.round(budget / (once * repeats))))
    const samples: number[] = []
    const before = process.cpuUsage()
    for (let i = 0; i < count; i++) {
      const start = performance.now()
      for (let k = 0; k < repeats; k++) await run()
      samples.push((performance.now() - start) / repeats)
    }
    const { user, system } = process.cpuUsage(before)
    samples.sort((a, b) => a - b)
    const value = samples[count >> 1]!
    const best = samples[0]!
    return {
      bench: bench.name,
      ...where,
      value,
      unit: 'ms',
      spread: (samples[count - 1]! - best) / value,
      n: count,
      best,
      cpu: (user + system) / 1000 / (count * repeats),
      ...(bench.flops ? { gflops: bench.flops / value / 1e6 } : {}),
      ...(bench.bytes ? { gbs: bench.bytes / value / 1e6 } : {}),
    }
  } finally {
    cleanUp?.()
  }
}
