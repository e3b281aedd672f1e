import { forkTyped, whenOver } from './processes.ts'

interface Answer {
  readonly result?: unknown
  readonly error?: string
}

/**
 * Runs an exported async function of a module in a process in which every float tensor holds doubles, on the plain cpu
 * engine, and gives back what it returned (plain data and typed arrays). Composed definitions run there as
 * specifications: rounding errors are near 1e-16, finite differences agree to 1e-7.
 *
 * @param module the module's URL, e.g. `new URL('./references.ts', import.meta.url)`
 */
export function inFloat64<T>(module: URL, name: string, ...args: unknown[]): Promise<T> {
  const child = forkTyped(new URL('./float64-worker.ts', import.meta.url), { float64: true })
  return new Promise<T>((resolve, reject) => {
    let answered = false
    child.once('message', ({ result, error }: Answer) => {
      answered = true
      if (error === undefined) resolve(result as T)
      else reject(new Error(`float64 process: ${error}`))
    })
    whenOver(child, (how) => {
      if (!answered) reject(new Error(`float64 process: ${name} ended with ${how} and no answer`))
    })
    child.send({ module: module.href, name, args })
  })
}
