import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { encodeSafetensors } from '@filature/checkpoint'
import { linear, Module, mul, onesInit, Parameter, type Tensor2D } from '@filature/tensor'
import { activateBackend } from '@filature/testing'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { type Adapter, adapter, type Golden, type Outputs } from './adapter.ts'
import { Fixture } from './fixture.ts'
import { runCase } from './run-case.ts'

// A case small enough to compute by hand: out = x w^T, w [1, 2], cotangent 2 at both rows.
const tensors: Record<string, { dtype: 'F32' | 'I64'; shape: number[]; data: number[] }> = {
  'weights.fc.weight': { dtype: 'F32', shape: [1, 2], data: [3, -1] },
  'inputs.x': { dtype: 'F32', shape: [2, 2], data: [1, 2, 3, 4] },
  'inputs.cotangent.out': { dtype: 'F32', shape: [2, 1], data: [2, 2] },
  'outputs.out': { dtype: 'F32', shape: [2, 1], data: [1, 5] },
  'outputs.best': { dtype: 'I64', shape: [], data: [1] },
  'outputs.loss': { dtype: 'F32', shape: [], data: [12] },
  'grads.weights.fc.weight': { dtype: 'F32', shape: [1, 2], data: [8, 12] },
  'grads.inputs.x': { dtype: 'F32', shape: [2, 2], data: [6, -2, 6, -2] },
}

class Fc extends Module {
  readonly weight = new Parameter([1, 2], onesInit)
}
class Model extends Module {
  readonly fc = new Fc()
}

/** Runs the case, with something done ahead of its forward pass and something made of what it gives. */
const running = (
  ahead: (golden: Golden) => void,
  also: (out: Tensor2D) => Record<string, Outputs> = () => ({}),
): Adapter =>
  adapter({
    cases: ['tiny'],
    model: () => new Model(),
    run: (golden, model) =>
      golden.differentiate({
        model,
        forward: () => {
          ahead(golden)
          const out = linear(golden.input<Tensor2D>('x'), model.fc.weight.value)
          return { out, ...also(out) }
        },
      }),
  })

const right = running((golden) => golden.expect('best', 1))

const directory = mkdtempSync(join(tmpdir(), 'goldens-'))
afterAll(() => rmSync(directory, { recursive: true }))
beforeAll(async () => {
  await activateBackend('cpu')
})

type Change = (all: typeof tensors) => void

async function write(change: Change, config: object = {}): Promise<void> {
  const all = structuredClone(tensors)
  change(all)
  const bytes = await encodeSafetensors(
    Object.entries(all).map(([name, { dtype, shape, data }]) => ({
      name,
      dtype,
      shape,
      bytes: () =>
        new Uint8Array((dtype === 'F32' ? Float32Array.from(data) : BigInt64Array.from(data, BigInt)).buffer),
    })),
    {},
  )
  writeFileSync(join(directory, 'tiny.safetensors'), bytes)
  const listed = Object.fromEntries(
    Object.entries(all).map(([name, { dtype, shape }]) => [
      name,
      { dtype, shape, ...(/^(outputs|grads)/.test(name) && dtype === 'F32' ? { atol: 1e-4 } : {}) },
    ]),
  )
  const json = { case: 'tiny', config, loss: null, notes: '', buffers: [], tensors: listed }
  writeFileSync(join(directory, 'tiny.json'), JSON.stringify(json))
}

async function failuresOf(change: Change, using: Adapter = right, config = {}): Promise<readonly string[]> {
  await write(change, config)
  const { failures, pass } = await runCase(() => new Fixture(directory, 'tiny'), using, 'tiny', 'cpu')
  expect(pass).toBe(failures.length === 0)
  return failures
}

const nothing: Change = () => {}

describe('a case', () => {
  it('passes as it is, with the worst error and everything accounted for', async () => {
    await write(nothing)
    const result = await runCase(() => new Fixture(directory, 'tiny'), right, 'tiny', 'cpu')
    expect(result).toMatchObject({ pass: true, failures: [], compared: 5, ignored: [], worst: { ratio: 0 } })
  })

  it('tolerates what the file tolerates, and no more', async () => {
    expect(await failuresOf((all) => (all['outputs.out']!.data[1] = 5 + 0.9e-4))).toEqual([])
    const failures = await failuresOf((all) => (all['outputs.out']!.data[1] = 5 + 1.2e-4))
    expect(failures).toHaveLength(1)
    expect(failures[0]).toMatch(/^outputs\.out: 5 instead of 5\.0001\d* at \[1,0\] \(1\.2\d? times its tolerance\)/)
  })

  it.each(['outputs.out', 'outputs.loss', 'outputs.best', 'grads.weights.fc.weight', 'grads.inputs.x'])(
    'fails when %s is altered',
    async (name) => {
      const failures = await failuresOf((all) => (all[name]!.data[0] = all[name]!.data[0]! + 1))
      expect(failures).toHaveLength(1)
      expect(failures[0]).toContain(`${name}: `)
    },
  )

  it('fails when a shape differs', async () => {
    const failures = await failuresOf((all) => (all['outputs.out']!.shape = [1, 2]))
    expect(failures).toEqual([expect.stringContaining('outputs.out: shape [2,1] instead of [1,2]')])
  })

  it.each(['inputs.mask', 'outputs.hidden', 'grads.inputs.y', 'other'])('fails when %s is left over', async (name) => {
    const failures = await failuresOf((all) => (all[name] = { dtype: 'F32', shape: [1], data: [0] }))
    expect(failures.join('\n')).toContain(name)
  })

  it('fails when a gradient is not in the file but not zero', async () => {
    const failures = await failuresOf((all) => delete all['grads.weights.fc.weight'])
    expect(failures).toEqual([expect.stringContaining('grads.weights.fc.weight: 8 instead of 0')])
  })

  it('fails where numbers are not finite, unless the case allows them', async () => {
    const infinite: Change = (all) => {
      all['inputs.x']!.data[0] = Number.POSITIVE_INFINITY
      for (const name of ['outputs.out', 'outputs.loss', 'grads.weights.fc.weight']) {
        all[name]!.data[0] = Number.POSITIVE_INFINITY
      }
    }
    expect(await failuresOf(infinite)).toHaveLength(3)
    expect(await failuresOf(infinite, right, { allow_nonfinite: true })).toEqual([])
  })

  it('fails when it compares nothing or throws', async () => {
    const idle = adapter({ cases: ['tiny'], run: (golden) => golden.ignore(/./, 'no reason at all') })
    expect(await failuresOf(nothing, idle)).toEqual(['nothing was compared'])
    const broken = adapter({ cases: ['tiny'], run: () => Promise.reject(new Error('boom')) })
    expect(await failuresOf(nothing, broken)).toEqual([expect.stringContaining('boom')])
  })

  it('does not pass by an output that is never handed over', async () => {
    const forgetful = running(() => {})
    expect(await failuresOf(nothing, forgetful)).toEqual([expect.stringMatching(/^outputs\.best: neither/)])
  })

  it('does not pass by an output that is only looked at', async () => {
    const peeking = running((golden) => void golden.read('outputs.best'))
    expect(await failuresOf(nothing, peeking)).toEqual([expect.stringMatching(/^outputs\.best: neither/)])
  })

  it('takes a list of another length than the file has for a failure', async () => {
    const listed = running(
      (golden) => golden.expect('best', 1),
      (out) => ({ hidden: [mul(out, 1), mul(out, 1)] }),
    )
    const one: Change = (all) => (all['outputs.hidden.0'] = structuredClone(tensors['outputs.out']!))
    expect(await failuresOf(one, listed)).toEqual([expect.stringContaining('outputs.hidden.1')])
  })
})

describe('the names', () => {
  const described = (model: () => Module): Adapter => adapter({ cases: ['tiny'], model, run: () => {} })

  it.each<[string, Change, RegExp]>([
    [
      'missing',
      (all) => (all['weights.fc.bias'] = { dtype: 'F32', shape: [1], data: [0] }),
      /fc\.bias is not in the model/,
    ],
    ['of another shape', (all) => (all['weights.fc.weight']!.shape = [2, 1]), /fc\.weight is \[1,2\] here and \[2,1\]/],
    [
      'tied only in the reference',
      (all) => (all['weights.head.weight'] = structuredClone(tensors['weights.fc.weight']!)),
      /the reference ties fc\.weight = head\.weight/,
    ],
  ])('fail when one is %s', async (_, change, message) => {
    expect((await failuresOf(change)).join('\n')).toMatch(message)
  })

  it('fail when the model has one more', async () => {
    class Larger extends Model {
      readonly extra = new Fc()
    }
    expect(
      (
        await failuresOf(
          nothing,
          described(() => new Larger()),
        )
      ).join('\n'),
    ).toMatch(/extra\.weight .* not in the file/)
  })

  it('fail when a tie is missing here', async () => {
    class Untied extends Model {
      readonly head = new Fc()
    }
    const tied: Change = (all) => (all['weights.head.weight'] = structuredClone(tensors['weights.fc.weight']!))
    expect(
      (
        await failuresOf(
          tied,
          described(() => new Untied()),
        )
      ).join('\n'),
    ).toMatch(/the reference ties/)
  })
})

it('refuses a fixture whose json and safetensors disagree', async () => {
  await write(nothing)
  const file = join(directory, 'tiny.json')
  const json = JSON.parse(readFileSync(file, 'utf8'))
  delete json.tensors['outputs.best']
  writeFileSync(file, JSON.stringify(json))
  expect(() => new Fixture(directory, 'tiny')).toThrow(/only in the file: \[outputs\.best\]/)
})
