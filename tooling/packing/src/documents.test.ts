import { spawnSync } from 'node:child_process'
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { repository } from './execute.ts'

// The code of a document, each block headed by its path, is one small tree: it must compile, and its example must run.

let root: string
beforeAll(() => {
  root = mkdtempSync(join(tmpdir(), 'filature-documents-'))
  mkdirSync(join(root, 'node_modules/@filature'), { recursive: true })
  for (const name of readdirSync(join(repository, 'packages'))) {
    symlinkSync(join(repository, 'packages', name), join(root, 'node_modules/@filature', name))
  }
  symlinkSync(join(repository, 'node_modules/vitest'), join(root, 'node_modules/vitest'))
  const compilerOptions = {
    typeRoots: [join(repository, 'node_modules/@types')],
    types: ['node'],
    paths: {
      '@filature/goldens': [join(repository, 'tooling/goldens/src/index.ts')],
      '@filature/testing': [join(repository, 'tooling/testing/src/index.ts')],
    },
  }
  const base = join(repository, 'tooling/tsconfig/source.json')
  writeFileSync(join(root, 'tsconfig.json'), JSON.stringify({ extends: base, compilerOptions, include: ['packages'] }))
  writeFileSync(join(root, 'package.json'), '{ "type": "module" }')
})
afterAll(() => rmSync(root, { recursive: true, force: true }))

/** Writes the blocks that are headed by a path; returns the paths. */
function unfold(document: string): string[] {
  const text = readFileSync(join(repository, 'docs', document), 'utf8')
  return [...text.matchAll(/^```ts\n\/\/ (packages\/\S+\.ts)\n([\s\S]*?)^```$/gm)].map(([, path = '', body = '']) => {
    mkdirSync(dirname(join(root, path)), { recursive: true })
    writeFileSync(join(root, path), body)
    return path
  })
}

const node = (...args: string[]) => {
  const env = { ...process.env, FORCE_COLOR: '0' }
  const { status, stdout, stderr } = spawnSync(process.execPath, args, { cwd: root, encoding: 'utf8', env })
  return { status, stdout, report: `${stdout}${stderr}` }
}

it('add-a-model.md compiles and runs', () => {
  expect(unfold('add-a-model.md')).toHaveLength(5)
  const compiled = node(join(repository, 'node_modules/typescript/bin/tsc'), '-p', '.')
  expect(compiled.status, compiled.report).toBe(0)

  const tsx = join(repository, 'node_modules/tsx/dist/cli.mjs')
  const ran = node(tsx, '--conditions=@filature/source', 'packages/mixer/example.ts')
  expect(ran.status, ran.report).toBe(0)
  expect(ran.stdout).toContain('logits [ 2, 3 ]')
  expect(ran.stdout).toContain("'blocks.0.mlp_channels.memory', 'blocks.1.mlp_channels.memory'")
})
