import { activateBackend, type BackendName, backendsToTest, isRequired } from './backends.ts'

/**
 * Declares a group of vitest tests for each backend: `await forEachBackend((backend) => { it(...) })` at the top level
 * of a test file. The backend is active while its tests run. One that is not at hand shows as a skipped test that
 * names the reason; if `REQUIRE_BACKENDS` lists it, as a failure.
 */
export async function forEachBackend(declare: (backend: BackendName) => void, names = backendsToTest()): Promise<void> {
  const { beforeAll, describe, it } = await import('vitest')
  for (const backend of names) {
    const activated = await activateBackend(backend)
    describe(backend, () => {
      if (activated.ok) {
        beforeAll(async () => {
          const again = await activateBackend(backend)
          if (!again.ok) throw new Error(`${backend}: came up once and then not again: ${again.reason}`)
        })
        declare(backend)
      } else if (isRequired(backend)) {
        it('is required', () => {
          throw new Error(`REQUIRE_BACKENDS lists ${backend}, which is not at hand: ${activated.reason}`)
        })
      } else {
        it.skip(`is not at hand: ${activated.reason.split('\n')[0]}`, () => {})
      }
    })
  }
}
