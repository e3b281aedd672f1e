import { runFused, sum, type Tensor, tidy, zeros } from '@filature/tensor'

/** What the machine can do at most, with the threads and instructions of the active backend. */
export interface Ceilings {
  /** Multiply-adds in registers alone, in GFLOP/s; undefined where the backend has no kernel that does them. */
  readonly gflops: number | undefined
  /** Reading 64 MiB to sum them, in GB/s. */
  readonly gbs: number
}

const bytes = 64 << 20
const multiplyAdds = { name: 'MultiplyAdds', outputs: ['operations'], composed: () => [] }

export async function ceilings(): Promise<Ceilings> {
  let gflops = 0
  for (let i = 0, rounds = 1 << 10; i < 30; i++) {
    const start = performance.now()
    const [operations] = runFused(multiplyAdds, {}, { rounds }) // none where there is no such kernel
    const ms = performance.now() - start
    if (!operations) break
    gflops = Math.max(gflops, (await operations.data())[0]! / ms / 1e6)
    operations.dispose()
    if (ms < 5 && rounds < 1 << 23) rounds *= 2
  }
  const x = zeros([bytes / 4]) as Tensor
  let fastest = Number.POSITIVE_INFINITY
  for (let i = 0; i < 10; i++) {
    const start = performance.now()
    const total = tidy(() => sum(x))
    await total.data()
    fastest = Math.min(fastest, performance.now() - start)
    total.dispose()
  }
  x.dispose()
  return { gflops: gflops || undefined, gbs: bytes / fastest / 1e6 }
}
