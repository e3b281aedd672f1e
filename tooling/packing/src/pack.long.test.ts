// Budget: 15 minutes on two cores with npm's cache filled.
import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { checkPackage, createPackageFromTarballData } from '@arethetypeswrong/core'
import { publint } from 'publint'
import { formatMessage } from 'publint/utils'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { nodeOf } from '../../setup/nodes.mjs'
import { Consumer } from './consumer.ts'
import { execute, type Run } from './execute.ts'
import { readReadme } from './readme.ts'
import { buildAll, pack, publicPackages } from './tarballs.ts'

const packages = publicPackages()
const tarballs = new Map<string, string>()
const nodes = new Map<string, string>([['this Node', process.execPath]])
let scratch: string
let built: Run

beforeAll(() => {
  scratch = mkdtempSync(join(tmpdir(), 'filature-packing-'))
  built = buildAll(packages)
  for (const one of packages) {
    if (existsSync(join(one.folder, 'dist/index.js'))) tarballs.set(one.name, pack(one, scratch))
  }
  for (const version of ['22', '24']) nodes.set(`Node ${version}`, nodeOf(version))
})
afterAll(() => rmSync(scratch, { recursive: true, force: true }))

const succeed = (run: Run, what: string) => expect(run.code, `${what}\n${run.output}`).toBe(0)

/** Whether an example wants a device that a machine may lack; `REQUIRE_BACKENDS=webgpu` says that this one has it. */
const needsDevice = (name: string) =>
  name === '@filature/backend-webgpu' && !(process.env.REQUIRE_BACKENDS ?? '').split(',').includes('webgpu')

it('every package builds', () => succeed(built, 'turbo run build'))

describe.each(packages)('$name', ({ name, folder, filled, readme }) => {
  const tarball = () => {
    const path = tarballs.get(name)
    if (path === undefined) throw new Error(`${name} was not packed: it did not build`)
    return path
  }

  it('holds what ships and nothing else', () => {
    const { stdout } = execute('tar', ['-tzf', tarball()], scratch, 60)
    const files = stdout.trim().split('\n')
    expect(files).toEqual(
      expect.arrayContaining(['package/LICENSE', 'package/dist/index.js', 'package/dist/index.d.ts']),
    )
    const strays = files.filter((file) =>
      /\.(test|test-d|bench)\.|__fixtures__|\/testing\/|\.tsbuildinfo$|\/goldens\//.test(file),
    )
    expect(strays).toEqual([])
  })

  it('passes publint', async () => {
    const data = readFileSync(tarball())
    const bytes = data.buffer.slice(data.byteOffset, data.byteOffset + data.byteLength) as ArrayBuffer
    const { messages } = await publint({ pack: { tarball: bytes }, strict: true, level: 'warning' })
    const manifest = JSON.parse(readFileSync(join(folder, 'package.json'), 'utf8'))
    expect(messages.map((message) => formatMessage(message, manifest, { color: false }))).toEqual([])
  })

  it('has the right types', async () => {
    const result = await checkPackage(createPackageFromTarballData(readFileSync(tarball())))
    if (!result.types) throw new Error(`${name}: no types`)
    // ESM only: `require` and the resolution before Node 12 are not served.
    const problems = result.problems.filter(
      (problem) => !('resolutionKind' in problem && ['node10', 'node16-cjs'].includes(problem.resolutionKind)),
    )
    expect(problems).toEqual([])
  })

  describe.skipIf(!filled)('its README', () => {
    const { installs, example } = readReadme(readme ?? '')
    let consumer: Consumer
    const installed = () => {
      if (consumer === undefined) throw new Error(`${name}: not installed, see the test before`)
      return consumer
    }

    it('has an install line and an example', () => {
      expect(readme, `${name}: no README.md`).toBeDefined()
      expect(installs, `${name}: README.md names no install line with ${name}`).toContain(name)
      expect(example, `${name}: README.md has no ts or js block`).toBeDefined()
    })

    it('installs into an empty project', async () => {
      tarball()
      if (example === undefined) throw new Error(`${name}: nothing to run, see the test before`)
      const project = new Consumer(join(scratch, `project-${name.replace('@filature/', '')}`), installs, tarballs)
      succeed(project.install(), `npm install ${installs.join(' ')}`)
      await project.write(example)
      consumer = project
    })

    it('has an example that type-checks', () => succeed(installed().typecheck(), 'tsc'))

    it.for(['this Node', 'Node 22', 'Node 24'])('has an example that runs on %s', (version, { skip }) => {
      const run = installed().run(nodes.get(version)!)
      skip(needsDevice(name) && run.code !== 0 && run.output.includes("code: 'no-backend'"), 'no adapter here')
      succeed(run, version)
    })
  })
})
