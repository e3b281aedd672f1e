import { mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { type Arrows, arrows, listProblems } from './arrows.ts'
import { banProblems } from './bans.ts'
import { changesetProblems } from './changesets.ts'
import { drawProblems } from './draws.ts'
import { fileProblems } from './files.ts'
import { importProblems } from './imports.ts'
import { type Manifest, manifestProblems, readManifests } from './manifests.ts'

const list: Arrows = { llama: ['attention', 'tensor'], attention: ['tensor'], tensor: [] }

const manifest = (name: string, peers: Record<string, string> = {}, more: Partial<Manifest> = {}) => ({
  name: `@filature/${name}`,
  description: 'A package.',
  license: 'MIT',
  type: 'module',
  sideEffects: false,
  engines: { node: '>=20.19' },
  exports: {
    '.': { '@filature/source': './src/index.ts', types: './dist/index.d.ts' },
    './package.json': './package.json',
  },
  files: ['dist'],
  publishConfig: { access: 'public' },
  peerDependencies: peers,
  devDependencies: peers,
  ...more,
})
const tensor = { '@filature/tensor': 'workspace:^' }

let root: string
const write = (path: string, text: string) => {
  mkdirSync(dirname(join(root, path)), { recursive: true })
  writeFileSync(join(root, path), text)
}

/** A tree of three packages whose arrows hold. */
beforeEach(() => {
  root = mkdtempSync(join(tmpdir(), 'layers-'))
  write(
    'tooling/tsconfig/source.json',
    '{ "compilerOptions": { "module": "NodeNext", "customConditions": ["@filature/source"] } }',
  )
  write('apps/.keep', '')
  for (const [name, allowed] of Object.entries(list)) {
    const needs = allowed.filter((to) => to !== 'tensor')
    write(
      `packages/${name}/package.json`,
      JSON.stringify(
        manifest(name, name === 'tensor' ? {} : tensor, {
          dependencies: Object.fromEntries(needs.map((to) => [`@filature/${to}`, 'workspace:^'])),
        }),
      ),
    )
    write(`packages/${name}/src/index.ts`, allowed.map((to) => `export * from '@filature/${to}'\n`).join(''))
    for (const to of allowed) {
      mkdirSync(join(root, `packages/${name}/node_modules/@filature`), { recursive: true })
      symlinkSync(join(root, 'packages', to), join(root, `packages/${name}/node_modules/@filature/${to}`))
    }
  }
  write('packages/tensor/src/index.ts', 'export const one = 1\n')
})
afterEach(() => rmSync(root, { recursive: true }))

describe('the list of arrows', () => {
  it('points downward, so it holds no cycle', () => expect(listProblems(arrows)).toEqual([]))

  it('refuses an arrow that points up and a name that is not there', () => {
    expect(listProblems({ ...list, tensor: ['llama'] })).toEqual([
      'tensor -> llama points up: "llama" stands above "tensor" in the list',
    ])
    expect(listProblems({ ...list, tensor: ['tensors'] })).toEqual([
      'tensor -> tensors: no package "tensors" in the list',
    ])
  })
})

describe('imports', () => {
  it('pass where the arrows allow them', async () => expect(await importProblems(root, list)).toEqual([]))

  it.each([
    ['by name', "export * from '@filature/llama'\n"],
    ['by a type alone', "export type { Llama } from '@filature/llama'\n"],
    ['by path', "export * from '../../llama/src/index.ts'\n"],
    ['at run time', "export const later = () => import('@filature/llama')\n"],
  ])('fail upward %s', async (_, text) => {
    write('packages/tensor/src/upward.ts', text)
    const problems = await importProblems(root, list)
    expect(problems.join('\n')).toMatch(/^packages\/tensor\/src\/upward\.ts imports .*llama/m)
    expect(problems.join('\n')).toContain('arrow-tensor')
  })

  it('fail upward through an installed link', async () => {
    mkdirSync(join(root, 'packages/tensor/node_modules/@filature'), { recursive: true })
    symlinkSync(join(root, 'packages/llama'), join(root, 'packages/tensor/node_modules/@filature/llama'))
    write('packages/tensor/src/upward.ts', "export * from '@filature/llama'\n")
    expect((await importProblems(root, list)).join('\n')).toContain(
      'packages/tensor/src/upward.ts imports packages/llama',
    )
  })

  it.each(['src/upward.test.ts', 'goldens/adapter.ts', 'bench/upward.bench.ts'])('fail in %s too', async (path) => {
    write(`packages/tensor/${path}`, "import '@filature/llama'\n")
    expect((await importProblems(root, list)).join('\n')).toContain('test-arrow-tensor')
  })

  it('let tests, and nothing else, use whatever stands below', async () => {
    const wide: Arrows = { ...list, llama: ['tensor'] }
    write('packages/llama/src/index.ts', 'export const two = 2\n')
    write('packages/llama/src/two.test.ts', "import '@filature/attention'\n")
    expect(await importProblems(root, wide)).toEqual([])
    write('packages/llama/src/index.ts', "export * from '@filature/attention'\n")
    expect((await importProblems(root, wide)).join('\n')).toContain('arrow-llama')
  })

  it('leave the workbench to tests and golden adapters', async () => {
    write('packages/tensor/src/op.test.ts', "import '@filature/testing'\n")
    write('packages/tensor/goldens/adapter.ts', "import '@filature/goldens'\n")
    expect(await importProblems(root, list)).toEqual([])
    write('packages/tensor/src/op.ts', "import '@filature/testing'\n")
    expect((await importProblems(root, list)).join('\n')).toContain(
      'packages/tensor/src/op.ts imports @filature/testing',
    )
  })

  it('fail from what ships into a test', async () => {
    write('packages/tensor/src/op.test.ts', 'export const two = 2\n')
    write('packages/tensor/src/op.ts', "export * from './op.test.ts'\n")
    expect((await importProblems(root, list)).join('\n')).toContain('test-code')
  })

  it('fail in a circle of files, one of types too', async () => {
    write('packages/tensor/src/a.ts', "import type { B } from './b.ts'\nexport type A = B\n")
    write('packages/tensor/src/b.ts', 'export type B = 1\n')
    expect(await importProblems(root, list)).toEqual([])
    write('packages/tensor/src/b.ts', "import type { A } from './a.ts'\nexport type B = A | 1\n")
    expect((await importProblems(root, list)).join('\n')).toContain('cycle')
    write('packages/tensor/src/a.ts', "import { b } from './b.ts'\nexport const a = () => b()\n")
    write('packages/tensor/src/b.ts', "import { a } from './a.ts'\nexport const b = (): unknown => a()\n")
    expect((await importProblems(root, list)).join('\n')).toContain('cycle')
  })

  it('fail from one app to another, and from a package to what command lines share', async () => {
    write('apps/command-line/src/index.ts', 'export const three = 3\n')
    write('apps/infer/src/cli.ts', "import '../../command-line/src/index.ts'\nimport '@filature/tensor'\n")
    expect(await importProblems(root, list)).toEqual([])
    write('apps/train/src/cli.ts', "import '../../infer/src/cli.ts'\n")
    write('packages/tensor/src/out.ts', "export * from '../../../apps/command-line/src/index.ts'\n")
    const problems = (await importProblems(root, list)).join('\n')
    expect(problems).toContain('apps/train/src/cli.ts imports apps/infer/src/cli.ts (apps-apart')
    expect(problems).toMatch(/packages\/tensor\/src\/out\.ts imports apps\/command-line\/src\/index\.ts \(apps:/)
  })

  it('fail from a package that the list does not know', async () => {
    write('packages/stray/src/index.ts', "export * from '@filature/tensor'\n")
    expect((await importProblems(root, list)).join('\n')).toContain('unlisted')
  })
})

describe('manifests', () => {
  const problems = () => manifestProblems(readManifests(root), list)

  it('pass where the arrows allow them', () => expect(problems()).toEqual([]))

  it.each([
    ['an upward dependency', { dependencies: { '@filature/llama': 'workspace:^' } }, 'no arrow attention -> llama'],
    [
      'an upward development dependency',
      { devDependencies: { '@filature/llama': 'workspace:^', ...tensor } },
      'no arrow',
    ],
    ['a workbench dependency', { devDependencies: { '@filature/goldens': 'workspace:^', ...tensor } }, 'by alias'],
    ['a version of a sibling', { peerDependencies: { '@filature/tensor': '^1.0.0' } }, 'wanted "workspace:^"'],
    ['tensor inside', { dependencies: tensor }, 'must be a peer dependency'],
    ['a peer that tests lack', { devDependencies: {} }, 'must also be a development dependency'],
    ['tfjs', { dependencies: { '@tensorflow/tfjs-core': '4.22.0' } }, 'only tensor, backend-wasm'],
    ['no access', { publishConfig: {} }, '"publishConfig.access" is "public" does not hold'],
  ])('fail with %s', (_, more, message) => {
    write('packages/attention/package.json', JSON.stringify(manifest('attention', tensor, more)))
    expect(problems().join('\n')).toContain(message)
  })

  it('fail with one dependency at two versions', () => {
    write(
      'packages/attention/package.json',
      JSON.stringify(manifest('attention', tensor, { dependencies: { x: '1.0.0' } })),
    )
    write('apps/train/package.json', JSON.stringify({ name: 'train-app', dependencies: { x: '1.0.1' } }))
    expect(problems()).toEqual(['x: one version everywhere, got 1.0.1 (apps/train) and 1.0.0 (packages/attention)'])
  })
})

describe('bans', () => {
  beforeEach(() => {
    const core = 'packages/tensor/node_modules/@tensorflow/tfjs-core'
    write(`${core}/package.json`, '{ "name": "@tensorflow/tfjs-core", "types": "dist/index.d.ts" }')
    write(`${core}/dist/index.d.ts`, "import './public/chained_ops/add'\nexport * from './tensor'\n")
    write(
      `${core}/dist/tensor.d.ts`,
      'export declare class Tensor { dataSync(): Float32Array; data(): Promise<Float32Array> }\n',
    )
    write(
      `${core}/dist/public/chained_ops/add.d.ts`,
      "import { Tensor } from '../../tensor'\ndeclare module '../../tensor' { interface Tensor { add(other: Tensor): Tensor } }\n",
    )
  })
  const use = "import type { Tensor } from '@tensorflow/tfjs-core'\n"

  it('leave alone what only looks like it', () => {
    write('packages/tensor/src/op.ts', `${use}export const seen = (x: Tensor) => new Set<Tensor>().add(x)\n`)
    expect(banProblems(root)).toEqual([])
  })

  it('find a chained method by its type', () => {
    write('packages/tensor/src/op.ts', `${use}export const twice = (x: Tensor) => x.add(x)\n`)
    expect(banProblems(root)).toEqual([
      'packages/tensor/src/op.ts:2:39 chained add: use the typed op add(...) of @filature/tensor',
    ])
  })

  it('find a synchronous read, except in tests', () => {
    write('packages/tensor/src/op.ts', `${use}export const read = (x: Tensor) => x.dataSync()\n`)
    write('packages/tensor/src/op.test.ts', `${use}export const read = (x: Tensor) => x.dataSync()\n`)
    expect(banProblems(root)).toEqual([
      'packages/tensor/src/op.ts:2:38 dataSync: await data() instead; packages never read back synchronously',
    ])
  })
})

describe('files', () => {
  it('have an end and a name', () => {
    expect(fileProblems(root)).toEqual([])
    write('packages/tensor/src/long.ts', 'export {}\n'.repeat(401))
    write('packages/tensor/src/utils/shapes.ts', 'export {}\n')
    write('packages/tensor/src/common.ts', 'export {}\n')
    expect(fileProblems(root).sort()).toEqual([
      'packages/tensor/src/common.ts: "common" says nothing; name the idea',
      'packages/tensor/src/long.ts: 401 lines; split it by idea at 400',
      'packages/tensor/src/utils/shapes.ts: "utils" says nothing; name the idea',
    ])
  })
})

describe('changesets', () => {
  it('are patches of packages', () => {
    write('.changeset/README.md', '# Changesets\n')
    write('.changeset/good.md', "---\n'@filature/tensor': patch\n---\n\nBetter.\n")
    expect(changesetProblems(root)).toEqual([])
    write('.changeset/bad.md', "---\n'@filature/tensor': minor\n---\n\nBetter.\n")
    expect(changesetProblems(root)).toEqual([
      '.changeset/bad.md: until 0.1 every change is a patch of a package, got "\'@filature/tensor\': minor"',
    ])
  })
})

describe('draws', () => {
  const draw = 'random' // this file is checked, too
  const property = "import fc from 'fast-check'\nfc.assert(fc.property(fc.nat(), (n) => n >= 0)"

  it('pass with a seed, for the file or for each property', () => {
    write('packages/tensor/src/op.test.ts', `fc.configureGlobal({ seed: 7 })\n${property})\n`)
    write(
      'packages/llama/src/op.test.ts',
      `${property}, { numRuns: 5, seed: 2 })\ntf.randomNormal([3], 0, 1, 'float32', 3)\n`,
    )
    write('packages/llama/src/seed.ts', `export const seed = () => Math.${draw}()\n`)
    expect(drawProblems(root)).toEqual([])
  })

  it('fail without', () => {
    write('packages/tensor/src/op.test.ts', `${property})\n`)
    write('packages/llama/src/op.test.ts', `${property}, { seed: 2 })\n${property})\n`)
    write('packages/llama/src/more.test.ts', `const x = tf.${draw}Normal([3, 4])\nconst y = Math.${draw}()\n`)
    expect(drawProblems(root).sort()).toEqual([
      'packages/llama/src/more.test.ts: Math.random: draw from an Rng with a seed',
      "packages/llama/src/more.test.ts: tfjs' random tensors: randomTensor instead",
      'packages/llama/src/op.test.ts: fast-check draws without a seed: fc.configureGlobal({ seed: 1 })',
      'packages/tensor/src/op.test.ts: fast-check draws without a seed: fc.configureGlobal({ seed: 1 })',
    ])
  })
})
