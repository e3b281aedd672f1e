import { fileURLToPath } from 'node:url'
import { type BackendName, backendsToTest, forEachBackend } from '@filature/testing'
import type { Adapter } from './adapter.ts'
import { casesOf, Fixture } from './fixture.ts'
import { handles, runCase } from './run-case.ts'

/**
 * Declares one vitest test for each case of a package's fixtures and each backend at hand; at the top level of a
 * `*.golden.test.ts`:
 *
 * ```ts
 * await goldenSuite(adapters, new URL('./__fixtures__/', import.meta.url))
 * ```
 *
 * Backends that are missing are skipped visibly, or fail when `REQUIRE_BACKENDS` lists them. A json in the folder that
 * no adapter handles fails.
 */
export async function goldenSuite(
  adapters: readonly Adapter[],
  fixtures: URL,
  { cases = /./, backends = backendsToTest() }: { cases?: RegExp; backends?: readonly BackendName[] } = {},
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
}
