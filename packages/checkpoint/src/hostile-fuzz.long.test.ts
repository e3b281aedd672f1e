import { readdirSync, readFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { FilatureError } from '@filature/tensor'
import { describe, expect, it } from 'vitest'
import { type GgufWriter, gguf } from './__fixtures__/writing-gguf.ts'
import { llama2c, smallLlama2c } from './__fixtures__/writing-llama2c.ts'
import { openSource } from './open-source.ts'
import { parseShardIndex } from './sharded.ts'
import { bytesSource } from './sources/memory.ts'

// Budget: 5 minutes, 30 s for each kind of file. Whatever is done to a file, opening it and reading all of its tensors
// gives values or an error of ours, soon, and changes nothing in the process.

const fixtures = fileURLToPath(new URL('./__fixtures__/', import.meta.url))
const filesOf = (folder: string, pattern: RegExp) =>
  readdirSync(fixtures + folder)
    .filter((name) => pattern.test(name))
    .map((name) => new Uint8Array(readFileSync(fixtures + folder + name)))

const q = (w: GgufWriter) => w.text('general.alignment').u32(4).u32(32)
const corpora: Record<string, Uint8Array[]> = {
  safetensors: filesOf('', /\.safetensors$/),
  'torch zip': filesOf('torch/', /^(?!refused).*(?<!legacy)\.pth$/),
  'torch legacy': [...filesOf('torch/', /legacy\.pth$/), ...filesOf('', /legacy\.pth$/)],
  'refused pickles': filesOf('torch/', /^refused/),
  gguf: [
    gguf({
      keys: [q, (w) => w.text('list').u32(9).u32(8).u64(2).text('a').text('b')],
      tensors: [
        { name: 'a', dims: [2, 2], type: 0, data: new Uint8Array(16) },
        { name: 'b', dims: [32], type: 8, data: new Uint8Array(34) },
      ],
    }),
    ...filesOf('gguf/', /^blocks\.gguf$/),
  ],
  'llama2.c': ([0, 1, 2] as const).flatMap((version) =>
    [true, false].map((shared) => llama2c(smallLlama2c(version, shared))),
  ),
}

class Random {
  #state: number

  constructor(seed: number) {
    this.#state = seed >>> 0
  }

  below(n: number): number {
    this.#state = (Math.imul(this.#state, 1664525) + 1013904223) >>> 0
    return Math.floor((this.#state / 2 ** 32) * n)
  }

  pick<T>(list: readonly T[]): T {
    return list[this.below(list.length)]!
  }
}

const nasty = [0, 1, 0x7f, 0x80, 0xff, 0x28, 0x52, 0x63, 0x2e, 0x22, 0x7b, 0x5b, 0x2d, 0x39]

/** A file with one to eight wounds: bytes changed, set to what is nasty, cut out, doubled, taken from another, cut off. */
function wounded(random: Random, corpus: readonly Uint8Array[]): Uint8Array {
  let bytes = Array.from(random.pick(corpus))
  for (let wounds = 1 + random.below(8); wounds > 0; wounds--) {
    // half of them where most formats have their structure
    const at = random.below(random.below(2) === 0 ? Math.min(bytes.length + 1, 400) : bytes.length + 1)
    const length = 1 + random.below(16)
    switch (random.below(8)) {
      case 0:
        bytes[at] = random.below(256)
        break
      case 1:
        bytes[at] = random.pick(nasty)
        break
      case 2:
        bytes.splice(at, length)
        break
      case 3:
        bytes.splice(at, 0, ...bytes.slice(at, at + length))
        break
      case 4:
        bytes.splice(at, length, ...Array(length).fill(random.pick(nasty)))
        break
      case 5: {
        const other = random.pick(corpus)
        const from = random.below(other.length)
        bytes.splice(at, length, ...other.subarray(from, from + length))
        break
      }
      case 6:
        bytes[at] = (bytes[at] ?? 0) ^ (1 << random.below(8))
        break
      case 7:
        if (random.below(4) === 0) bytes = bytes.slice(0, at)
        break
    }
  }
  return Uint8Array.from(bytes, (b) => b ?? 0)
}

async function outcome(bytes: Uint8Array): Promise<string> {
  try {
    await using checkpoint = await openSource(bytesSource(bytes, 'wounded'))
    for (const name of checkpoint.names()) await checkpoint.read(name)
    return 'read'
  } catch (error) {
    if (!(error instanceof FilatureError)) throw error
    return error.code
  }
}

describe('fuzzing', () => {
  const own = Object.getOwnPropertyNames(Object.prototype).join()

  it.each(Object.entries(corpora))('%s', async (kind, corpus) => {
    expect(corpus.length).toBeGreaterThan(0)
    const seen = new Map<string, number>()
    const end = Date.now() + 30_000
    let slowest = 0
    let count = 0
    for (let seed = 1; Date.now() < end; seed++, count++) {
      const bytes = wounded(new Random(seed * 2654435761), corpus)
      const start = performance.now()
      const code = await outcome(bytes).catch((error) => {
        throw new Error(`${kind}, seed ${seed}: ${error?.stack ?? error}`)
      })
      slowest = Math.max(slowest, performance.now() - start)
      seen.set(code, (seen.get(code) ?? 0) + 1)
    }
    const codes = [...seen].sort((a, b) => b[1] - a[1]).map(([code, n]) => `${code} ${n}`)
    console.log(`${kind}: ${count} files, slowest ${slowest.toFixed(0)} ms; ${codes.join(', ')}`)
    expect(slowest).toBeLessThan(5000)
    expect(seen.size).toBeGreaterThan(5)
    expect(Object.getOwnPropertyNames(Object.prototype).join()).toBe(own)
  })

  it('indexes', () => {
    const corpus = ['{"metadata":{"total_size":12},"weight_map":{"a.b":"x-1.safetensors","c":"x-2.safetensors"}}']
    const bytes = corpus.map((text) => new TextEncoder().encode(text))
    for (let seed = 1; seed < 50_000; seed++) {
      const text = new TextDecoder().decode(wounded(new Random(seed), bytes))
      try {
        for (const shard of parseShardIndex(text, 'index').shards) expect(shard).not.toMatch(/[/\\]|^\.\.?$/)
      } catch (error) {
        if (!(error instanceof FilatureError)) throw error
      }
    }
  })
})
