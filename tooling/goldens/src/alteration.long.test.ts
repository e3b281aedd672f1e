// Budget: 5 minutes. Every case that the packages keep, with one number altered by a little more than its tolerance.
import { copyFileSync, existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { Rng } from '@filature/tensor'
import { afterAll, expect, it } from 'vitest'
import { decode, isFloat } from './decode.ts'
import { Fixture, parseSafetensors } from './fixture.ts'
import { runBackend } from './run-backend.ts'
import type { CaseResult } from './run-case.ts'
import { toleranceOf } from './tolerance.ts'

const packages = fileURLToPath(new URL('../../../packages/', import.meta.url))
const root = mkdtempSync(join(tmpdir(), 'goldens-altered-'))
afterAll(() => rmSync(root, { recursive: true }))

/** Every case with tensors of its own, from the fixtures of all packages, into one folder. */
function collect(): string[] {
  const cases = new Set<string>()
  for (const name of readdirSync(packages)) {
    const fixtures = join(packages, name, 'src', '__fixtures__')
    if (!existsSync(join(packages, name, 'goldens', 'adapter.ts')) || !existsSync(fixtures)) continue
    for (const file of readdirSync(fixtures)) {
      if (/\.(safetensors|pth)$/.test(file)) copyFileSync(join(fixtures, file), join(root, file))
      if (!file.endsWith('.json') || !existsSync(join(fixtures, file.replace('.json', '.safetensors')))) continue
      copyFileSync(join(fixtures, file), join(root, file))
      cases.add(file.slice(0, -'.json'.length))
    }
  }
  return [...cases].sort()
}

async function run(cases: readonly string[]): Promise<Map<string, CaseResult>> {
  const results = new Map<string, CaseResult>()
  await runBackend({ directory: root, backend: 'float64', cases }, (message) => {
    if (message.kind === 'result') results.set(message.result.case, message.result)
    else if (message.kind !== 'adapters') throw new Error(JSON.stringify(message))
  })
  return results
}

/** Moves one finite number of one tensor by 1.5 times its tolerance (an id by 1). Returns the tensor's name. */
function alter(name: string, rng: Rng, untouched: ReadonlySet<string>): string | undefined {
  const { json } = new Fixture(root, name)
  const file = readFileSync(join(root, `${name}.safetensors`))
  const all = [...parseSafetensors(file, name)].filter(
    ([tensor, { bytes }]) => /^(outputs|grads)\./.test(tensor) && bytes.length && !untouched.has(tensor),
  )
  if (!all.length) return undefined
  const [tensor, { dtype, bytes }] = all[rng.integer(all.length)]!
  const values = decode(dtype, bytes, tensor)
  const finite = [...values.keys()].filter((i) => Number.isFinite(values[i]))
  if (!finite.length) return undefined
  const at = finite[rng.integer(finite.length)]!
  const { atol = 0, rtol = 0, rtolOfMax = 0 } = toleranceOf(name, json, tensor, isFloat(dtype))
  const largest = Math.max(...finite.map((i) => Math.abs(values[i]!)))
  const allowed = atol + rtol * Math.abs(values[at]!) + rtolOfMax * largest
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
  const moved = values[at]! + (isFloat(dtype) ? 1.5 * allowed : 1 + allowed)
  if (dtype === 'F32') view.setFloat32(4 * at, moved, true)
  else if (dtype === 'F64') view.setFloat64(8 * at, moved, true)
  else if (dtype === 'I64') view.setBigInt64(8 * at, BigInt(moved), true)
  else if (dtype === 'I32') view.setInt32(4 * at, moved, true)
  else view.setUint8(at, dtype === 'BOOL' ? 1 - values[at]! : values[at]! > 200 ? values[at]! - 3 : moved)
  writeFileSync(join(root, `${name}.safetensors`), file)
  return tensor
}

it('fails every case in which one output or gradient is altered, and names it', async () => {
  const cases = collect()
  const sound = await run(cases)
  const unsound = [...sound.values()].filter((result) => !result.pass).map((result) => [result.case, result.failures])
  expect(unsound).toEqual([])
  const rng = new Rng(Number(process.env.SEED ?? 1))
  const altered = new Map<string, string>()
  for (const name of cases) {
    const tensor = alter(name, rng.fork(name), new Set(sound.get(name)!.ignored.map(([ignored]) => ignored)))
    if (tensor) altered.set(name, tensor)
  }
  expect(altered.size).toBeGreaterThan(70)
  const results = await run([...altered.keys()])
  const missed = [...altered].filter(([name, tensor]) => {
    const { pass, failures } = results.get(name)!
    return pass || !failures.some((failure) => failure.startsWith(tensor))
  })
  expect(missed).toEqual([])
}, 300_000)
