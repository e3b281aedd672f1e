// One backend's cases, in a process of its own: `fork`ed by run-backend.ts, answers over the channel.
import { activateBackend, type BackendName } from '@filature/testing'
import { Fixture } from './fixture.ts'
import type { FromWorker, ToWorker } from './messages.ts'
import { adapterFor, findAdapters } from './registry.ts'
import { runCase } from './run-case.ts'

const send = (message: FromWorker) => new Promise<void>((done) => process.send!(message, () => done()))

async function run({ directory, backend, cases, packages, only }: ToWorker): Promise<void> {
  const activated = await activateBackend(backend as BackendName)
  if (!activated.ok) return send({ kind: 'unavailable', reason: activated.reason })
  const found = await findAdapters(packages, only)
  await send({
    kind: 'adapters',
    broken: found.flatMap((entry) => (entry.error ? [{ package: entry.package, error: entry.error }] : [])),
  })
  for (const name of cases) {
    const adapter = adapterFor(name, found)
    if (adapter)
      await send({ kind: 'result', result: await runCase(() => new Fixture(directory, name), adapter, name, backend) })
    else await send({ kind: 'no-adapter', case: name })
  }
}

process.once('message', (message: ToWorker) => {
  run(message)
    .catch((error) =>
      send({ kind: 'crash', error: error instanceof Error ? (error.stack ?? error.message) : String(error) }),
    )
    // Some engines keep threads or devices alive: the answers are out, so end here.
    .finally(() => process.exit(0))
})
