import { liveMemory } from '@filature/tensor'

/**
 * Runs `fn` a few times and throws if live tensors or bytes grow from one run to the next. The first run is a warm-up
 * (caches, derived buffers, lazily compiled kernels); what `fn` returns is disposed when it is disposable.
 */
export async function expectNoLeak(fn: () => unknown, { runs = 3, warmUp = 1 } = {}): Promise<void> {
  for (let i = 0; i < warmUp; i++) await once(fn)
  const before = liveMemory()
  for (let i = 0; i < runs; i++) await once(fn)
  const after = liveMemory()
  const tensors = after.tensors - before.tensors
  const bytes = after.bytes - before.bytes
  if (tensors !== 0 || bytes !== 0) {
    throw new Error(`expectNoLeak: ${tensors} tensors and ${bytes} bytes more after ${runs} runs`)
  }
}

async function once(fn: () => unknown): Promise<void> {
  const result = await fn()
  if (typeof result !== 'object' || result === null) return
  if (Symbol.dispose in result) (result as Disposable)[Symbol.dispose]()
  else if ('dispose' in result && typeof result.dispose === 'function') result.dispose()
}
