import { createRequire } from 'node:module'
import { fileURLToPath } from 'node:url'
import type { UserProjectConfigFn } from 'vitest/config'
import { definePackage } from '../../tooling/vitest/package.ts'

const project = definePackage('backend-native')

function addonIsHere(): boolean {
  const { path } = createRequire(import.meta.url)('node-gyp-build') as { path: (directory: string) => string }
  try {
    return path(fileURLToPath(new URL('.', import.meta.url))) !== ''
  } catch {
    return false
  }
}

// Without a build the tests are skipped, visibly, by the one that looks for it; where the backend is required they fail.
const required = (process.env.REQUIRE_BACKENDS ?? '').split(',').includes('native')
const config: UserProjectConfigFn = async (env) => {
  const made = await project(env)
  if (!required && !addonIsHere()) made.test = { ...made.test, include: ['src/addon.test.ts'] }
  return made
}
export default config
