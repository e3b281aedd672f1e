import { existsSync, readdirSync } from 'node:fs'
import { availableParallelism } from 'node:os'
import { defineConfig } from 'vitest/config'
import { passTier } from './tooling/vitest/tiers.ts'

const projects = ['packages', 'apps', 'tooling'].flatMap((parent) =>
  readdirSync(parent)
    .map((name) => `${parent}/${name}/vitest.config.ts`)
    .filter((path) => existsSync(path)),
)

/** Test files side by side: backends bring threads of their own, so a few are enough on any machine. */
const maxWorkers = Math.min(4, availableParallelism())

export default defineConfig(({ mode }) => {
  passTier(mode)
  return { test: { projects, maxWorkers } }
})
