import { execFile } from 'node:child_process'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { encodeSafetensors } from '@filature/checkpoint'
import { nodeArguments } from '@filature/testing'
import { afterEach, beforeEach, expect, it } from 'vitest'
import type { CaseResult } from './run-case.ts'

const here = (path: string) => fileURLToPath(new URL(path, import.meta.url))
let root: string
beforeEach(async () => {
  root = mkdtempSync(join(tmpdir(), 'goldens-cli-'))
  await write('doubling_right', [2, 4])
})
afterEach(() => rmSync(root, { recursive: true }))

/** Runs the command as `npm run goldens` does. */
async function goldens(...args: string[]): Promise<{ code: number; out: string; err: string }> {
  const script = [...nodeArguments(), here('./cli.ts'), '--dir', root, ...args]
  try {
    const { stdout, stderr } = await promisify(execFile)(process.execPath, script, { cwd: here('../../..') })
    return { code: 0, out: stdout, err: stderr }
  } catch (error) {
    const { code, stdout, stderr } = error as { code: number; stdout: string; stderr: string }
    return { code, out: stdout, err: stderr }
  }
}

async function write(name: string, y: readonly number[]): Promise<void> {
  const f32 = (tensor: string, data: readonly number[]) => ({
    name: tensor,
    dtype: 'F32' as const,
    shape: [data.length],
    bytes: () => new Uint8Array(Float32Array.from(data).buffer),
  })
  writeFileSync(
    join(root, `${name}.safetensors`),
    await encodeSafetensors([f32('inputs.x', [1, 2]), f32('outputs.y', y)], {}),
  )
  const tensors = { 'inputs.x': { dtype: 'F32', shape: [2] }, 'outputs.y': { dtype: 'F32', shape: [2], atol: 1e-6 } }
  writeFileSync(join(root, `${name}.json`), JSON.stringify({ case: name, config: {}, loss: null, notes: '', tensors }))
}

const packages = ['--packages', here('./__fixtures__/packages')] // one sound, one broken

it('prints a row for each case and exits 0 when all pass', async () => {
  const { code, out } = await goldens('--backend', 'cpu', '--packages', here('./__fixtures__/sound-packages'))
  expect(out).toMatch(/^doubling_right +cpu +0\.00 +pass +outputs\.y/m)
  expect(code).toBe(0)
})

it('runs cases on each backend in a process of its own, doubles too, and fails for a package that does not load', async () => {
  const { code, out } = await goldens('--backend', 'cpu,float64', '--json', ...packages)
  const report = JSON.parse(out) as { pass: boolean; results: CaseResult[]; problems: string[] }
  expect(report.results.map(({ backend, pass, worst }) => [backend, pass, worst?.ratio])).toEqual([
    ['cpu', true, 0],
    ['float64', true, 0],
  ])
  expect(report.problems).toEqual([expect.stringContaining('this package does not load')])
  expect([code, report.pass]).toEqual([1, false])
})

it('fails for a wrong number, and lists a case without adapter and a file that no case uses', async () => {
  await write('doubling_wrong', [2, 4.1])
  await write('unheard_of', [2, 4])
  writeFileSync(join(root, 'stray.bin'), '')
  const { code, out } = await goldens('--backend', 'cpu', ...packages)
  expect(code).toBe(1)
  expect(out).toMatch(/^doubling_right +cpu +0\.00 +pass +outputs\.y/m)
  expect(out).toMatch(/^doubling_wrong +cpu +1\.00e\+5 +FAIL +outputs\.y/m)
  expect(out).toContain('no adapter: unheard_of')
  expect(out).toContain('note: no case uses the file stray.bin')
})

it('refuses what it does not know', async () => {
  expect(await goldens('--backend', 'gpu')).toMatchObject({ code: 1, err: expect.stringContaining('got gpu') })
  expect(await goldens('--case', 'nothing_*')).toMatchObject({ code: 1, err: expect.stringContaining('no case') })
})
