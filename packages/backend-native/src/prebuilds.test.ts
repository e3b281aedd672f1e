import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { afterAll, expect, it } from 'vitest'

const script = new URL('../scripts/prebuilds.mjs', import.meta.url).href
const { missing, platforms } = (await import(script)) as { missing: (folder: string) => string[]; platforms: string[] }
const folder = mkdtempSync(join(tmpdir(), 'filature-prebuilds-'))
afterAll(() => rmSync(folder, { recursive: true }))

it('finds the platforms that a package has no binary for', () => {
  expect(missing(join(folder, 'none'))).toEqual(platforms)
  for (const platform of platforms) mkdirSync(join(folder, platform))
  expect(missing(folder)).toEqual(platforms)
  for (const platform of platforms) writeFileSync(join(folder, platform, 'filature_native.node.napi.node'), '')
  expect(missing(folder)).toEqual([])
  rmSync(join(folder, 'darwin-arm64/filature_native.node.napi.node'))
  expect(missing(folder)).toEqual(['darwin-arm64'])
})

it('has a job for each of them, and the release waits for all', () => {
  const read = (name: string) =>
    readFileSync(fileURLToPath(new URL(`../../../.github/workflows/${name}`, import.meta.url)), 'utf8')
  const jobs = read('native-prebuilds.yml')
  const made = [...jobs.matchAll(/(?:arch|name): ([\w-]+), runner/g)].map(([, name]) => name!)
  expect(made.map((name) => (name.includes('-') ? name : `linux-${name}`)).sort()).toEqual([...platforms].sort())
  expect(read('release.yml')).toMatch(/uses: \.\/\.github\/workflows\/native-prebuilds\.yml[\s\S]*needs: binaries/)
})
