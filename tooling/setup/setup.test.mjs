import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { copyFileSync, mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { asksForHelp, runCommandLine } from './command-line.mjs'
import { atLeast } from './node-version.mjs'
import { at } from './root.mjs'
import { node } from './spawn.mjs'
import { count } from './vitest.mjs'

let folder
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'setup-'))
})
afterEach(() => rmSync(folder, { recursive: true }))

describe('the Node version', () => {
  it.each([
    ['20.19.0', '20.19', true],
    ['20.18.3', '20.19', false],
    ['22.0.0', '20.19', true],
    ['9.99.99', '20.19', false],
    ['20.19', '20.19.1', false],
  ])('%s against %s', (version, least, holds) => expect(atLeast(version, least)).toBe(holds))

  it('stops the run with a clear line', async () => {
    const script = `import { requireNode } from ${JSON.stringify(new URL('node-version.mjs', import.meta.url).href)}
requireNode('18.20.0')
console.log('went on')`
    const child = spawn(process.execPath, ['--input-type=module', '-e', script])
    const [output, errors] = await Promise.all([child.stdout.toArray(), child.stderr.toArray(), once(child, 'close')])
    expect(child.exitCode).toBe(1)
    expect(output.join('')).toBe('')
    expect(errors.join('')).toMatch(/^Filature: wanted Node 20\.19 or later, got 18\.20\.0\. .*\n$/)
  })
})

describe('a child process', () => {
  it('hands its exit code on', async () => expect(await node(['-e', 'process.exit(7)'])).toBe(7))

  it('ended by a signal gives 128 and its number', async () => {
    expect(await node(['-e', "process.kill(process.pid, 'SIGTERM')"])).toBe(143)
  })

  it('that is a command line of ours knows that npm scripts stand for it', async () => {
    const script = join(folder, 'said.mjs')
    writeFileSync(script, "process.exit(process.env.FILATURE_CHECKOUT && process.argv[2] === 'char' ? 9 : 1)")
    expect(await runCommandLine(script, ['char'])).toBe(9)
  })

  it('is asked for help by a word or a flag', () => {
    const asked = [['--help'], ['char', '-h'], ['help', 'char']]
    expect(asked.map(asksForHelp)).toEqual([true, true, true])
    expect([[], ['char', '--text', 'help']].map(asksForHelp)).toEqual([false, false])
  })

  it('that prepares tells on standard error, so that standard output is the result alone', async () => {
    const script = `import { node } from ${JSON.stringify(new URL('spawn.mjs', import.meta.url).href)}
await node(['-e', "console.log('installed')"], { asNotes: true })
await node(['-e', "console.log('result')"])`
    const child = spawn(process.execPath, ['--input-type=module', '-e', script])
    const [output, errors] = await Promise.all([child.stdout.toArray(), child.stderr.toArray(), once(child, 'close')])
    expect([output.join(''), errors.join('')]).toEqual(['result\n', 'installed\n'])
  })

  it('gets Ctrl-C and decides itself how to end', async () => {
    const inner = "process.on('SIGINT', () => process.exit(5)); setInterval(() => {}, 1000); console.log('ready')"
    const outer = `import { node } from ${JSON.stringify(new URL('spawn.mjs', import.meta.url).href)}
process.exitCode = await node(['-e', ${JSON.stringify(inner)}])`
    const child = spawn(process.execPath, ['--input-type=module', '-e', outer], {
      stdio: ['ignore', 'pipe', 'inherit'],
    })
    await once(child.stdout, 'data')
    child.kill('SIGINT')
    await once(child, 'close')
    expect(child.exitCode).toBe(5)
  })
})

describe('the count of tests', () => {
  const pass = "import { it } from 'vitest'\nit('passes', () => {})\nit.skip('waits', () => {})\n"
  const tests = {
    'passing.test.ts': pass,
    'failing.test.ts': `${pass}it('fails', () => { throw new Error('no') })\n`,
    'loading.test.ts': "import './absent.ts'\n",
    'hook.test.ts': `${pass.replace('{ it }', '{ afterAll, it }')}afterAll(() => { throw new Error('hook') })\n`,
    'stray.test.ts': `${pass}setTimeout(() => { throw new Error('stray') })\nit('waits', () => new Promise((r) => setTimeout(r, 200)))\n`,
  }
  const counted = async (...names) => {
    mkdirSync(join(folder, 'node_modules'))
    symlinkSync(at('node_modules/vitest'), join(folder, 'node_modules/vitest'))
    for (const name of names) writeFileSync(join(folder, name), tests[name])
    const file = join(folder, 'report.json')
    const args = ['run', '--root', folder, '--reporter=json', `--outputFile=${file}`]
    const child = spawn(process.execPath, [at('node_modules/vitest/vitest.mjs'), ...args], { stdio: 'ignore' })
    await once(child, 'close')
    return count(JSON.parse(readFileSync(file, 'utf8')), child.exitCode)
  }

  it('of passing ones', async () => {
    expect(await counted('passing.test.ts')).toEqual({ passed: 1, failed: 0, skipped: 1 })
  })
  it('holds the failing ones, files that do not load and hooks that throw', async () => {
    const result = await counted('passing.test.ts', 'failing.test.ts', 'loading.test.ts', 'hook.test.ts')
    expect(result).toEqual({ passed: 3, failed: 3, skipped: 3 })
  })
  it('holds an error outside every test', async () => {
    expect(await counted('stray.test.ts')).toEqual({ passed: 2, failed: 1, skipped: 1 })
  })
  it('of a crashed run is one failure', () => {
    expect(count(undefined, 134)).toEqual({ passed: 0, failed: 1, skipped: 0 })
  })
})

it.skipIf(process.platform === 'win32')('no job writes what it prepares to standard output', async () => {
  // a checkout whose dependencies are not there, and a pnpm that only says so
  const files = ['run', 'script', 'install', 'root', 'spawn', 'node-version'].map((name) => `${name}.mjs`)
  mkdirSync(join(folder, 'tooling/setup'), { recursive: true })
  for (const file of files) copyFileSync(at(`tooling/setup/${file}`), join(folder, 'tooling/setup', file))
  for (const parent of ['packages', 'apps']) mkdirSync(join(folder, parent))
  for (const file of ['package.json', 'pnpm-workspace.yaml', 'pnpm-lock.yaml'])
    copyFileSync(at(file), join(folder, file))
  writeFileSync(join(folder, 'script.ts'), "console.log('{}')")
  const { packageManager } = JSON.parse(readFileSync(at('package.json'), 'utf8'))
  const bin = join(folder, 'bin')
  mkdirSync(bin)
  const answer = `if [ "$1" = --version ]; then echo ${packageManager.replace('pnpm@', '')}; exit; fi`
  writeFileSync(
    join(bin, 'pnpm'),
    `#!/bin/sh\n${answer}\necho "Packages: +1"\nln -s ${at('node_modules')} node_modules\n`,
    { mode: 0o755 },
  )
  const child = spawn(process.execPath, [join(folder, 'tooling/setup/run.mjs'), 'script', 'script.ts'], {
    env: { ...process.env, PATH: `${bin}:${process.env.PATH}` },
  })
  const [output, errors] = await Promise.all([child.stdout.toArray(), child.stderr.toArray(), once(child, 'close')])
  expect([output.join(''), child.exitCode]).toEqual(['{}\n', 0])
  expect(errors.join('')).toBe('Installing dependencies (none yet) ...\nPackages: +1\n')
})

it('every script of the root names a file that is there', () => {
  const { scripts } = JSON.parse(readFileSync(at('package.json'), 'utf8'))
  const paths = Object.values(scripts).flatMap((script) => script.match(/\btooling\/\S+/g) ?? [])
  expect(paths).not.toHaveLength(0)
  for (const path of paths) expect(() => readFileSync(at(path)), path).not.toThrow()
})

it('the pnpm that is installed here is the one that installs', () => {
  const { packageManager, devDependencies } = JSON.parse(readFileSync(at('package.json'), 'utf8'))
  expect(`pnpm@${devDependencies.pnpm}`).toBe(packageManager)
})

it('the jobs are reached through run.mjs', async () => {
  const child = spawn(process.execPath, [fileURLToPath(new URL('run.mjs', import.meta.url)), 'nothing'])
  const errors = await child.stderr.toArray()
  expect(errors.join('')).toMatch(/^setup: wanted a job \(start, test, .*\), got "nothing"\.\n$/)
})
