import { basename } from 'node:path'
import { fileURLToPath } from 'node:url'
import { type BackendName, backendsToTest, forEachBackend } from '@filature/testing'
import type { Adapter } from './adapter.ts'
import { casesOf, Fixture } from './fixture.ts'
import { runBackend } from './run-backend.ts'
import { handles, runCase } from './run-case.ts'

export interface SuiteOptions {
  /** Only cases whose name matches. */
  readonly cases?: RegExp
  readonly backends?: readonly BackendName[]
  /** Cases that also run in double precision, in a process of their own (those that are chaotic in single). */
  readonly float64?: RegExp
}

/**
 * Declares one vitest test for each case of a package's fixtures and each backend at hand; at the top level of a
 * `*.golden.test.ts`:
 *
 * ```ts
 * await goldenSuite(adapters, new URL('./__fixtures__/', import.meta.url))
 * ```
 *
 * Backends that are missing are skipped visibly, or fail when `REQUIRE_BACKENDS` lists them. A json in the folder that
 * no adapter handles fails. The fixtures lie in `packages/NAME/src/__fixtures__/`, the adapters in
 * `packages/NAME/goldens/adapter.ts`.
 */
export async function goldenSuite(
  adapters: readonly Adapter[],
  fixtures: URL,
  { cases = /./, backends = backendsToTest(), float64 }: SuiteOptions = {},
): Promise<void> {
  const { expect, it } = await import('vitest')
  const directory = fileURLToPath(fixtures)
  const names = casesOf(directory).filter((name) => cases.test(name))
  if (!names.length) throw new Error(`goldenSuite: no cases in ${directory}`)
  await forEachBackend(
    (backend) => {
      for (const name of names) {
        it(name, async () => {
          const adapter = adapters.find((candidate) => handles(candidate, name))
          if (!adapter) throw new Error(`no adapter handles ${name}`)
          const { failures } = await runCase(() => new Fixture(directory, name), adapter, name, backend)
          expect(failures).toEqual([])
        })
      }
    },
    [...backends],
  )
  if (float64)
    await inDoubles(
      directory,
      names.filter((name) => float64.test(name)),
      fixtures,
    )
}

/** The same cases in the float64 process: one test each, all run once. */
async function inDoubles(directory: string, names: readonly string[], fixtures: URL): Promise<void> {
  const { beforeAll, describe, expect, it } = await import('vitest')
  const folder = fileURLToPath(new URL('../../', fixtures))
  describe('float64', () => {
    const failures = new Map<string, readonly string[]>()
    const problems: string[] = []
    beforeAll(async () => {
      const task = { directory, backend: 'float64', cases: names, only: basename(folder) }
      await runBackend(task, (message) => {
        if (message.kind === 'result') failures.set(message.result.case, message.result.failures)
        else if (message.kind === 'unavailable') problems.push(message.reason)
        else if (message.kind === 'crash') problems.push(message.error)
        else if (message.kind === 'adapters') problems.push(...message.broken.map(({ error }) => error))
      })
    })
    it.each(names)('%s', (name) => {
      expect(problems).toEqual([])
      expect(failures.get(name) ?? ['no adapter ran it']).toEqual([])
    })
  })
}
