import { fileURLToPath } from 'node:url'
import { defineProject } from 'vitest/config'
import { definePackage } from '../vitest/package.ts'
import { tierOf } from '../vitest/tiers.ts'

/**
 * Test files in double precision, of every package: `idea.float64.test.ts` beside `idea.ts` runs on the cpu engine in a
 * process in which every float tensor holds doubles. Composed definitions are specifications there, and finite
 * differences agree to 1e-7. Alone: `npx vitest run --project float64 [file]` in the root.
 */
export default defineProject((env) => {
  const base = definePackage('float64')(env)
  const inTier = tierOf(env.mode).include.includes('src/**/*.test.ts')
  return {
    ...base,
    test: {
      ...base.test,
      dir: fileURLToPath(new URL('../..', import.meta.url)),
      include: inTier ? ['**/{packages,tooling}/*/src/**/*.float64.test.ts'] : [],
      exclude: ['**/node_modules/**'],
      execArgv: ['--require', fileURLToPath(new URL('../testing/src/float64-preload.cjs', import.meta.url))],
    },
  }
})
