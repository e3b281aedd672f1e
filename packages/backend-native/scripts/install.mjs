// Runs when the package is installed: where it ships no binary for this machine, tries to compile one. Never fails: the
// package says what to do when the backend is asked for.
import { existsSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'

const here = join(dirname(fileURLToPath(import.meta.url)), '..')
const shipped = existsSync(join(here, 'prebuilds', `${process.platform}-${process.arch}`))
const built = existsSync(join(here, 'build/Release/filature_native.node'))
// In its own workspace the build is a command of its own.
const workspace = existsSync(join(here, 'vitest.config.ts'))
if (!shipped && !built && !workspace) {
  try {
    const { build } = await import('./build.mjs')
    build()
  } catch (error) {
    console.error(`@filature/backend-native: no build (${error instanceof Error ? error.message : error})`)
  }
}
