// Serves float64.ts: imports a module, calls one of its functions, answers with what it returned.
interface Call {
  readonly module: string
  readonly name: string
  readonly args: readonly unknown[]
}

async function call({ module, name, args }: Call): Promise<unknown> {
  const { activateBackend } = await import('./backends.ts')
  const activated = await activateBackend('float64')
  if (!activated.ok) throw new Error(activated.reason)
  const exported = (await import(module)) as Record<string, (...args: unknown[]) => unknown>
  const fn = exported[name]
  if (typeof fn !== 'function') throw new Error(`${module} exports no function '${name}'`)
  return fn(...args)
}

process.once('message', (message: Call) => {
  call(message)
    .then((result) => ({ result }))
    .catch((error) => ({ error: error instanceof Error ? (error.stack ?? error.message) : String(error) }))
    .then((answer) => process.send!(answer, () => process.exit(0)))
})
