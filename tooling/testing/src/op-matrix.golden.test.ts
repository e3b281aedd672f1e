import * as tensor from '@filature/tensor'
import { beforeAll, describe, expect, it } from 'vitest'
import { largest, worstOf } from './expect-close.ts'
import { inFloat64 } from './float64.ts'
import { forEachBackend } from './for-each-backend.ts'
import { entries } from './op-matrix/entries.ts'
import { type Entry, nameOf } from './op-matrix/entry.ts'
import { evaluate, type Flat } from './op-matrix/evaluate.ts'
import { notOps } from './op-matrix/not-ops.ts'
import type { Reference } from './op-matrix/references.ts'

let references: Record<string, Reference | string> = {}

// The composed definitions in double precision, once, in a process of their own.
beforeAll(async () => {
  references = await inFloat64(new URL('./op-matrix/references.ts', import.meta.url), 'references')
}, 300_000)

function referenceOf(entry: Entry): Reference {
  const found = references[nameOf(entry)]
  if (found === undefined) throw new Error(`the float64 process has no ${nameOf(entry)}`)
  if (typeof found === 'string') throw new Error(`in the float64 process: ${found}`)
  return found
}

/** Relative to the tensor's largest number: float32 rounding of sums a few hundred long. */
const TOLERANCE = 1e-5

function closeEnough(what: string, actual: Flat, wanted: Flat, times = 1): string[] {
  if (actual.shape.join() !== wanted.shape.join())
    return [`${what}: shape [${actual.shape}] instead of [${wanted.shape}]`]
  const { index, error } = worstOf(actual.data, wanted.data)
  const allowed = times * TOLERANCE * Math.max(largest(wanted.data), 0.1)
  if (error <= allowed) return []
  const numbers = `${actual.data[index]} instead of ${wanted.data[index]} at ${index} of [${wanted.shape}]`
  return [`${what}: ${numbers}, ${(error / allowed).toPrecision(3)} times the tolerance`]
}

describe('the matrix', () => {
  it('has entries for every op that tensor exports', () => {
    const exported = Object.entries(tensor)
      .filter(([, value]) => typeof value === 'function' && !/^class\b/.test(String(value)))
      .map(([name]) => name)
    const covered = new Set([...entries.map((entry) => entry.op), ...notOps])
    expect(exported.filter((name) => !covered.has(name))).toEqual([])
    expect([...covered].filter((name) => !(name in tensor))).toEqual([])
  })

  it('names each entry once', () => {
    const names = entries.map(nameOf)
    expect(names.filter((name, i) => names.indexOf(name) !== i)).toEqual([])
  })
})

describe('float64: gradients equal finite differences', () => {
  for (const entry of entries) {
    if (entry.withoutGradient || entry.withoutDifferences) continue
    it(nameOf(entry), () => {
      const differences = Object.entries(referenceOf(entry).differences)
      expect(differences).not.toEqual([])
      for (const [input, difference] of differences) {
        expect(difference, `gradient by ${input}`).toBeLessThan(1e-7)
      }
    })
  }
})

await forEachBackend((backend) => {
  for (const entry of entries) {
    if (entry.kernelsOnly && backend === 'cpu') continue
    const cannot = entry.notOn?.[backend]
    if (cannot) {
      it.skip(`${nameOf(entry)} (${cannot})`, () => {})
      continue
    }
    it(`${backend} ${nameOf(entry)}`, async () => {
      const wanted = referenceOf(entry)
      const actual = await evaluate(entry)
      const wrong = wanted.outputs.flatMap((y, i) => closeEnough(`output ${i}`, actual.outputs[i]!, y, entry.times))
      for (const [name, gradient] of Object.entries(wanted.grads)) {
        wrong.push(...closeEnough(`gradient by ${name}`, actual.grads[name]!, gradient, entry.times))
      }
      expect(wrong).toEqual([])
    })
  }
})
