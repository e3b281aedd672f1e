/**
 * A signal that aborts at the first Ctrl-C (or SIGTERM), so that the trainer finishes its step and saves. At the second
 * the process ends at once: checkpoints are whole even then. Dispose it when the run is over.
 */
export function stopOnInterrupt(onStop: () => void = () => {}): { readonly signal: AbortSignal } & Disposable {
  const controller = new AbortController()
  const handle = (name: NodeJS.Signals) => {
    if (controller.signal.aborted) {
      process.stderr.write('\n')
      process.exit(name === 'SIGINT' ? 130 : 143)
    }
    controller.abort()
    onStop()
  }
  process.on('SIGINT', handle)
  process.on('SIGTERM', handle)
  return {
    signal: controller.signal,
    [Symbol.dispose]() {
      process.off('SIGINT', handle)
      process.off('SIGTERM', handle)
    },
  }
}
