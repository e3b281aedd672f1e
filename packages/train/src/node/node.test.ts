import { spawn } from 'node:child_process'
import { appendFile, mkdir, mkdtemp, readdir, readFile, rm, truncate, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Writable } from 'node:stream'
import { load, openCheckpoint, saveToBytes } from '@filature/checkpoint'
import { cpu, init, Linear, Rng, type Tensor, tensor, useBackend } from '@filature/tensor'
import { afterEach, beforeAll, beforeEach, describe, expect, it, vi } from 'vitest'
import type { Progress } from '../index.ts'
import {
  bestCheckpoint,
  duration,
  jsonlMetrics,
  newestCheckpoint,
  progressBar,
  stopOnInterrupt,
  trainingFolder,
} from './index.ts'

let folder: string
beforeAll(async () => {
  await useBackend(cpu())
})
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'filature-folder-'))
})
afterEach(() => rm(folder, { recursive: true, force: true }))

const model = (seed = 1) => init(new Linear(3, 2), new Rng(seed))
const state = (step: number, best: Progress['best'] = null) => ({
  progress: {
    step,
    rng: { key: [1, 2] as const, position: 3 },
    data: { offset: 4 },
    optimizer: { name: 'SGD', steps: { weight: step } },
    smoothedLoss: 0.1 + 0.2,
    best,
  },
  tensors: new Map<string, Tensor>([['optimizer.weight.momentum_buffer', tensor([step, 0.1], [2])]]),
})

describe('trainingFolder', () => {
  it('gives back what it was given, to the last bit', async () => {
    const store = trainingFolder(folder, { files: { 'config.json': '{"a":1}' } })
    expect(await store.load()).toBeUndefined()
    await store.save(model(), state(7))
    const stored = (await store.load())!
    expect(stored.progress).toEqual(state(7).progress)
    expect([...stored.tensors.get('optimizer.weight.momentum_buffer')!.dataSync()]).toEqual([7, Math.fround(0.1)])
    const other = model(2)
    await stored.fill(other)
    expect([...other.weight.value.dataSync()]).toEqual([...model().weight.value.dataSync()])
    expect(await readFile(join(folder, 'checkpoint-7', 'config.json'), 'utf8')).toBe('{"a":1}')
  })

  it.each([
    ['f16', 'F16'],
    ['bf16', 'BF16'],
  ] as const)(
    'holds weights of 16 bits (%s) as they were held, and gives them back to the last bit',
    async (format, dtype) => {
      const opened = async () => {
        const layer = new Linear(3, 2)
        await load(layer, await openCheckpoint(await saveToBytes(model(), { dtype })), { dtype: 'stored' })
        return layer
      }
      const store = trainingFolder(folder)
      const base = await opened()
      await store.save(base, state(7))
      const again = await opened()
      await (await store.load())!.fill(again)
      expect([again.weight.store.format, again.bias!.store.format]).toEqual([format, 'float32'])
      expect([...again.weight.value.dataSync()]).toEqual([...base.weight.value.dataSync()])
    },
  )

  it('keeps the newest and the best', async () => {
    const store = trainingFolder(folder)
    await store.save(model(), state(1))
    await store.save(model(), state(2, { step: 2, value: 1 }))
    await store.save(model(), state(3, { step: 2, value: 1 }))
    await store.save(model(), state(10, { step: 2, value: 1 }))
    expect((await readdir(folder)).sort()).toEqual(['checkpoint-10', 'checkpoint-2'])
    expect(await newestCheckpoint(folder)).toBe(join(folder, 'checkpoint-10'))
    expect(await bestCheckpoint(folder)).toBe(join(folder, 'checkpoint-2'))
    await rm(join(folder, 'checkpoint-2'), { recursive: true })
    expect(await bestCheckpoint(folder)).toBe(join(folder, 'checkpoint-10'))
    await expect(bestCheckpoint(join(folder, 'none'))).rejects.toThrow(/wanted a folder with a checkpoint-N/)
  })

  it('replaces a checkpoint of the same step', async () => {
    const store = trainingFolder(folder)
    await store.save(model(1), state(5))
    await store.save(model(2), state(5))
    const other = model(3)
    await (await store.load())!.fill(other)
    expect([...other.weight.value.dataSync()]).toEqual([...model(2).weight.value.dataSync()])
  })

  it('removes what a killed process left, and leaves what a living one is writing', async () => {
    const gone = spawn(process.execPath, ['-e', ''])
    await new Promise((resolve) => gone.on('close', resolve))
    await mkdir(join(folder, `.checkpoint-3.${gone.pid}-00ff.tmp`))
    await mkdir(join(folder, `.checkpoint-3.${process.ppid}-00ff.tmp`))
    const store = trainingFolder(folder)
    expect(await store.load()).toBeUndefined()
    await store.save(model(), state(4))
    expect((await readdir(folder)).sort()).toEqual([`.checkpoint-3.${process.ppid}-00ff.tmp`, 'checkpoint-4'])
  })

  it('a save that fails leaves the old checkpoint and nothing else', async () => {
    const store = trainingFolder(folder)
    await store.save(model(), state(4))
    const dead = model()
    dead[Symbol.dispose]()
    await expect(store.save(dead, state(5))).rejects.toThrow(/no value yet/)
    expect(await readdir(folder)).toEqual(['checkpoint-4'])
  })

  it('refuses a broken checkpoint; the model is unchanged', async () => {
    const store = trainingFolder(folder)
    await store.save(model(), state(4))
    const weights = join(folder, 'checkpoint-4', 'model.safetensors')
    await truncate(weights, 90)
    const other = model(2)
    const stored = (await store.load())!
    await expect(stored.fill(other)).rejects.toThrow(/model\.safetensors/)
    expect([...other.weight.value.dataSync()]).toEqual([...model(2).weight.value.dataSync()])
    // weights alone are no training checkpoint
    await store.save(model(), state(4))
    await writeFile(join(folder, 'checkpoint-4', 'training.safetensors'), await readFile(weights))
    await expect(store.load()).rejects.toThrow(/no readable training progress/)
  })
})

const entry = (step: number) => ({ step, loss: 2, smoothedLoss: 2.5, lr: 0.1, stepsPerSecond: 12.34 })

describe('progressBar', () => {
  class Screen extends Writable {
    text = ''
    isTTY: boolean
    columns = 120
    constructor(isTTY: boolean) {
      super()
      this.isTTY = isTTY
    }
    override _write(chunk: Buffer, _: string, done: () => void) {
      this.text += chunk
      done()
    }
    cursorTo() {}
    clearLine() {}
    moveCursor() {}
  }

  it('prints lines where there is no terminal', async () => {
    const stream = new Screen(false)
    const bar = progressBar({ stream, printEvery: 20 })
    await bar.start!({ from: 0, steps: 50 })
    for (let step = 10; step <= 50; step += 10) {
      bar.step!(step)
      await bar.log!(entry(step))
    }
    await bar.evaluated!(50, { loss: 1.23456 })
    await bar.note!('a sample')
    await bar.end!()
    const lines = stream.text.trim().split('\n')
    expect(lines.map((line) => line.slice(0, 10))).toEqual([
      'step 20/50',
      'step 40/50',
      'step 50/50',
      'step 50 · ',
      'a sample',
    ])
    expect(lines[0]).toMatch(/^step 20\/50 · .*left · loss 2.500 · 12 steps\/s$/)
    expect(lines[3]).toBe('step 50 · held out: loss 1.235')
    expect(stream.text).not.toContain('\x1b')
  })

  it('draws a bar on a terminal, with notes above it', async () => {
    const stream = new Screen(true)
    const bar = progressBar({ stream, describe: ({ loss }) => `loss is ${loss}` })
    await bar.start!({ from: 0, steps: 10 })
    bar.step!(5)
    await bar.log!(entry(5))
    await bar.note!('a sample')
    bar.step!(6)
    await bar.end!()
    expect(stream.text).toMatch(/a sample\n.*█+░+.* 50% · 5\/10 .*loss is 2/s)
  })

  it('tells time', () => {
    expect([0.4, 59, 61, 3600, 7325].map(duration)).toEqual(['0 s', '59 s', '1:01 min', '1 h 0 min', '2 h 2 min'])
  })
})

it('jsonlMetrics appends one object a line, and takes back what lies behind the checkpoint it goes on from', async () => {
  const path = join(folder, 'deep', 'metrics.jsonl')
  const run = async (from: number, to: number) => {
    const reporter = jsonlMetrics(path)
    await reporter.start!({ from, steps: 9 })
    for (let step = from + 1; step <= to; step++) await reporter.log!(entry(step))
    await reporter.evaluated!(to, { loss: from })
    await reporter.end!()
  }
  await run(0, 3)
  await appendFile(path, '{"step":4,"lo') // killed while writing
  await run(2, 4)
  const lines = (await readFile(path, 'utf8')).trim().split('\n')
  expect(lines.map((line) => JSON.parse(line))).toEqual([
    ...[1, 2, 3, 4].map(entry),
    { step: 4, evaluation: { loss: 2 } },
  ])
  expect(await readdir(join(folder, 'deep'))).toEqual(['metrics.jsonl'])
})

it('stopOnInterrupt aborts at the first signal and ends the process at the second', () => {
  const exit = vi.spyOn(process, 'exit').mockImplementation((() => {}) as never)
  const stopped = vi.fn()
  const before = process.listenerCount('SIGINT')
  {
    using interrupt = stopOnInterrupt(stopped)
    process.emit('SIGINT', 'SIGINT')
    expect(interrupt.signal.aborted).toBe(true)
    expect(stopped).toHaveBeenCalledTimes(1)
    expect(exit).not.toHaveBeenCalled()
    process.emit('SIGINT', 'SIGINT')
    expect(exit).toHaveBeenCalledWith(130)
  }
  expect(process.listenerCount('SIGINT')).toBe(before)
  exit.mockRestore()
})
