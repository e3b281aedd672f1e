/** Runs with a signal that aborts at Ctrl-C; a second Ctrl-C ends the process as usual. */
export async function interruptible<T>(run: (signal: AbortSignal) => Promise<T>): Promise<T> {
  const controller = new AbortController()
  const stop = () => controller.abort()
  process.once('SIGINT', stop)
  try {
    return await run(controller.signal)
  } finally {
    process.off('SIGINT', stop)
  }
}
