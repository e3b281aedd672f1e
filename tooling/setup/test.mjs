import { buildEverything, buildNative } from './build.mjs'
import { install } from './install.mjs'
import { at } from './root.mjs'
import { node } from './spawn.mjs'
import { summarize, vitest } from './vitest.mjs'

const script = (path, ...args) => node([at(path), ...args]).then((code) => code === 0)

const checks = {
  arrows: () => script('node_modules/tsx/dist/cli.mjs', at('tooling/layers/src/cli.ts')),
  types: () => script('node_modules/typescript/bin/tsc', '-p', at('tsconfig.json')),
  lint: () => script('node_modules/@biomejs/biome/bin/biome', 'check', '--max-diagnostics=100', '.'),
  build: buildEverything,
}

/**
 * Arrows, types, lint, the build, then the unit and golden tests on the backends at hand. Every part runs whatever the
 * others say; each of the checks counts as one. Arguments go to vitest.
 */
export async function run(args) {
  await install()
  buildNative()
  const result = { passed: 0, failed: 0, skipped: 0 }
  const notes = []
  for (const [name, check] of Object.entries(checks)) {
    console.log(`\n${name} ...`)
    const holds = await check()
    result[holds ? 'passed' : 'failed'] += 1
    if (!holds) notes.push(`${name}: failed, see above`)
  }
  const tests = await vitest(args)
  for (const key of Object.keys(result)) result[key] += tests[key]
  return summarize(result, notes)
}
