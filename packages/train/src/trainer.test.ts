import { mkdtemp, readdir, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import {
  add,
  cpu,
  crossEntropy,
  Dropout,
  Embedding,
  init,
  keep,
  Linear,
  liveMemory,
  Module,
  mean,
  mul,
  ones,
  Rng,
  reshape,
  type Scalar,
  stateOf,
  type Tensor,
  type Tensor3D,
  tanh,
  tidy,
  useBackend,
} from '@filature/tensor'
import { expectNoLeak } from '@filature/testing'
import { afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import {
  AdamW,
  type BatchSource,
  Carry,
  idsTensor,
  type LogEntry,
  type Reporter,
  SGD,
  type Stateful,
  type TokenBatch,
  TokenStreams,
  Trainer,
  type TrainerOptions,
  type TrainingStore,
  warmupCosine,
} from './index.ts'
import { trainingFolder } from './node/index.ts'

/** Embedding, dropout, a carried average of what was read, head. */
class Reader extends Module {
  readonly embed = new Embedding(7, 6)
  readonly mix = new Linear(6, 6)
  readonly drop = new Dropout(0.3)
  readonly head = new Linear(6, 7)

  loss({ inputs, targets, fresh }: TokenBatch, carry?: Carry<{ m: Tensor }>): Scalar {
    const x = tanh(this.mix.forward(this.embed.forward<Tensor3D>(idsTensor(inputs))))
    const m = mean(x, 1, true)
    const before = fresh ? undefined : carry?.value?.m
    carry?.put({ m })
    const y = this.drop.forward(before ? add(x, mul(before, 0.5)) : x)
    return crossEntropy(reshape(this.head.forward(y), [-1, 7]), reshape(idsTensor(targets), [-1])) as Scalar
  }
}

const tokens = Int32Array.from({ length: 120 }, (_, i) => (i * i + (i >> 2)) % 7)

type Options = Partial<TrainerOptions<TokenBatch>>

function parts(options: Options = {}) {
  const model = init(new Reader(), new Rng(1))
  const optimizer = new AdamW(model, { lr: 0.05 }, [{ match: '**.bias', weightDecay: 0 }])
  const carry = new Carry<{ m: Tensor }>()
  const trainer = new Trainer<TokenBatch>({
    model,
    loss: (batch) => model.loss(batch, carry),
    data: new TokenStreams(tokens, { batchSize: 2, length: 5 }),
    optimizer,
    rng: new Rng(2),
    schedule: warmupCosine({ lr: 0.05, warmupSteps: 3, steps: 30 }),
    clipping: { norm: 1 },
    state: { carry },
    ...options,
  })
  return { model, optimizer, trainer, carry }
}

const bits = (model: Module) => [...stateOf(model)].map(([path, p]) => [path, [...p.value.dataSync()]])

beforeAll(async () => {
  await useBackend(cpu())
})

let folder: string
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'filature-trainer-'))
})
afterEach(() => rm(folder, { recursive: true, force: true }))

it('refuses a run whose gradients and slots the backend cannot hold, before the first step', async () => {
  const { model, optimizer, trainer } = parts()
  const parameters = 4 * (7 * 6 + (6 * 6 + 6) + (7 * 6 + 7))
  expect(optimizer.bytesToCome).toBe(2 * parameters)
  const limited = async (room: number) => {
    const provider = cpu()
    const memoryLimit = liveMemory().bytes + room
    await useBackend({ ...provider, activate: async () => ({ ...(await provider.activate()), memoryLimit }) })
  }
  try {
    await limited(3 * parameters - 1)
    const before = bits(model)
    await expect(trainer.run({ steps: 2 })).rejects.toThrow(/Trainer: gradients and AdamW's slots: wanted 1 MiB/)
    expect(trainer.step).toBe(0)
    expect(bits(model)).toEqual(before)
    await limited(3 * parameters)
    expect(await trainer.run({ steps: 2 })).toMatchObject({ step: 2 })
    expect(optimizer.bytesToCome).toBe(0)
  } finally {
    await useBackend(cpu())
  }
})

describe('resume', () => {
  it.each([1, 7, 24, 29])('continues bit for bit after a stop at step %i', async (stop) => {
    const whole = parts()
    const result = await whole.trainer.run({ steps: 30 })
    expect(result).toMatchObject({ step: 30, reason: 'finished' })

    const first = parts({ store: trainingFolder(folder) })
    const controller = new AbortController()
    const reporter: Reporter = { step: (step) => void (step === stop && controller.abort()) }
    const again = parts({ store: trainingFolder(folder), reporters: [reporter] })
    expect(await again.trainer.resume()).toBe(false)
    expect(await again.trainer.run({ steps: 30, signal: controller.signal })).toMatchObject({
      step: stop,
      reason: 'stopped',
    })
    again.model[Symbol.dispose]()

    const other = init(first.model, new Rng(77)) // not the values that the run began with
    expect(await first.trainer.resume()).toBe(true)
    expect(first.trainer.step).toBe(stop)
    const end = await first.trainer.run({ steps: 30 })
    expect(bits(other)).toEqual(bits(whole.model))
    expect(end.smoothedLoss).toBe(result.smoothedLoss)
    expect([...first.carry.value!.m.dataSync()]).toEqual([...whole.carry.value!.m.dataSync()])
  })

  it('depends on the dropout stream, so that the test above proves something', async () => {
    const [a, b] = [parts(), parts({ rng: new Rng(3) })]
    await a.trainer.run({ steps: 5 })
    await b.trainer.run({ steps: 5 })
    expect(bits(a.model)).not.toEqual(bits(b.model))
  })

  it('changes nothing when the checkpoint does not fit', async () => {
    const saved = parts({ store: trainingFolder(folder) })
    await saved.trainer.run({ steps: 3 })
    const other = init(new Reader(), new Rng(8))
    const before = bits(other)
    const sgd = new Trainer({
      model: other,
      data: new TokenStreams(tokens, { batchSize: 2, length: 5 }),
      optimizer: new SGD(other, { lr: 0.1 }),
      rng: new Rng(1),
      store: trainingFolder(folder),
    })
    await expect(sgd.resume()).rejects.toThrow(/was trained with AdamW, this run has SGD/)
    const short = parts({
      store: trainingFolder(folder),
      data: new TokenStreams(tokens.subarray(0, 14), { batchSize: 1, length: 5 }),
    })
    await expect(short.trainer.resume()).rejects.toThrow(/offset from 0 to 14/)
    expect(bits(other)).toEqual(before)
    expect(sgd.step).toBe(0)
  })
})

describe('a step', () => {
  it('leaves frozen parameters as they are, bit for bit', async () => {
    const { model, trainer } = parts({ frozen: ['embed.**', 'mix.bias'] })
    const before = new Map(bits(model) as [string, number[]][])
    await trainer.run({ steps: 5 })
    for (const [path, values] of bits(model) as [string, number[]][]) {
      if (/^embed|mix\.bias/.test(path)) expect(values).toEqual(before.get(path))
      else expect(values).not.toEqual(before.get(path))
    }
    expect(() => parts({ frozen: 'nothing.**' })).toThrow(/matches no parameter/)
  })

  it('averages accumulated gradients: two halves are one whole', async () => {
    const half = (batch: TokenBatch, row: number): TokenBatch => {
      const cut = (ids: TokenBatch['inputs']) => ({
        values: ids.values.slice(row * 5, row * 5 + 5),
        shape: [1, 5] as const,
      })
      return { inputs: cut(batch.inputs), targets: cut(batch.targets), fresh: true }
    }
    const source = (): BatchSource<TokenBatch> => new TokenStreams(tokens, { batchSize: 2, length: 5 })
    const halves = (): BatchSource<TokenBatch> => {
      const whole = source()
      let second: TokenBatch | undefined
      return {
        async next() {
          const batch = second ?? (await whole.next())
          second = second ? undefined : batch
          return half(batch, second ? 0 : 1)
        },
        position: {},
        seek() {},
      }
    }
    const run = async (data: BatchSource<TokenBatch>, accumulate: number) => {
      const model = init(new Reader(), new Rng(1))
      const losses: number[] = []
      const reporters: Reporter[] = [{ log: ({ loss }) => void losses.push(loss) }]
      const optimizer = new SGD(model, { lr: 0.1 })
      // without dropout: the mask of a half differs from that of the whole
      Object.assign(model, { drop: new Dropout(0) })
      const loss = (batch: TokenBatch) => model.loss({ ...batch, fresh: true })
      await new Trainer({ model, loss, data, optimizer, rng: new Rng(2), accumulate, logEvery: 1, reporters }).run({
        steps: 4,
      })
      return { values: (bits(model) as [string, number[]][]).flatMap(([, v]) => v), losses }
    }
    const [whole, parted] = [await run(source(), 1), await run(halves(), 2)]
    parted.values.forEach((x, i) => void expect(x).toBeCloseTo(whole.values[i]!, 5))
    parted.losses.forEach((x, i) => void expect(x).toBeCloseTo(whole.losses[i]!, 5))
  })

  it('stops at a loss that is not a number, and saves nothing after it', async () => {
    let n = 0
    const { model, optimizer } = parts()
    const trainer = new Trainer<TokenBatch>({
      model,
      loss: (batch) => mul(model.loss({ ...batch, fresh: true }), ++n === 8 ? Number.NaN : 1) as Scalar,
      data: new TokenStreams(tokens, { batchSize: 2, length: 5 }),
      optimizer,
      rng: new Rng(1),
      store: trainingFolder(folder),
      saveEvery: 5,
    })
    await expect(trainer.run({ steps: 20 })).rejects.toThrow(/loss of step 7 is NaN/)
    expect(await readdir(folder)).toEqual(['checkpoint-5'])
  })

  it('leaks nothing', () =>
    expectNoLeak(async () => {
      const { model, trainer } = parts({ evaluate: async () => ({ loss: 1 }), evaluateEvery: 2 })
      await trainer.run({ steps: 4 })
      trainer[Symbol.dispose]()
      model[Symbol.dispose]()
    }))
})

it('reports, evaluates, and keeps the newest checkpoint and the best', async () => {
  const values = [3, 1, 2, 4]
  const log: LogEntry[] = []
  const evaluated: [number, number][] = []
  const { trainer } = parts({
    store: trainingFolder(folder),
    evaluate: async () => ({ loss: values.shift()! }),
    evaluateEvery: 3,
    logEvery: 4,
    saveEvery: 5,
    reporters: [
      { log: (entry) => void log.push(entry), evaluated: (step, { loss }) => void evaluated.push([step, loss!]) },
    ],
  })
  const result = await trainer.run({ steps: 12 })
  expect(evaluated).toEqual([
    [3, 3],
    [6, 1],
    [9, 2],
    [12, 4],
  ])
  expect(log.map(({ step }) => step)).toEqual([3, 4, 5, 6, 8, 9, 10, 12])
  expect(log.every(({ gradientNorm, loss }) => gradientNorm! > 0 && loss > 0)).toBe(true)
  expect(result.best).toEqual({ step: 6, value: 1 })
  expect((await readdir(folder)).sort()).toEqual(['checkpoint-12', 'checkpoint-6'])
})

it('takes no NaN for the best evaluation', async () => {
  const values = [Number.NaN, 3, Number.NaN, 2]
  const store = trainingFolder(folder)
  const { trainer } = parts({ store, evaluate: async () => ({ loss: values.shift()! }), evaluateEvery: 1 })
  expect((await trainer.run({ steps: 1 })).best).toBeNull()
  expect((await trainer.run({ steps: 3 })).best).toEqual({ step: 2, value: 3 })
  expect((await trainer.run({ steps: 4 })).best).toEqual({ step: 4, value: 2 })
})

it('a carry takes its own state back, and keeps it where another does not fit', () => {
  const carry = new Carry<{ m: Tensor }>()
  tidy(() => carry.put({ m: ones([2]) }))
  carry.restore(carry.state())
  expect([...carry.value!.m.dataSync()]).toEqual([1, 1])
  const gone = tidy(() => mul(carry.value!.m, 2))
  gone.dispose()
  expect(() => carry.restore(new Map([['m', gone]]))).toThrow()
  expect([...carry.value!.m.dataSync()]).toEqual([1, 1])
  carry[Symbol.dispose]()
})

it('a save that fails leaves the checkpoint before it, and tells', async () => {
  const store = trainingFolder(folder)
  let fail = false
  const failing: TrainingStore = {
    ...store,
    save: (model, state) => (fail ? Promise.reject(new Error('disk full')) : store.save(model, state)),
  }
  const { trainer } = parts({ store: failing, saveEvery: 2 })
  await trainer.run({ steps: 2 })
  fail = true
  await expect(trainer.run({ steps: 4 })).rejects.toThrow('disk full')
  const other = parts({ store })
  expect(await other.trainer.resume()).toBe(true)
  expect(other.trainer.step).toBe(2)
})

it('a resume that fails leaves weights, carried state and position as they were', async () => {
  const saved = parts({ store: trainingFolder(folder) })
  await saved.trainer.run({ steps: 2 })
  await saved.trainer.save()

  const data = new TokenStreams(tokens, { batchSize: 2, length: 5 })
  const carry = new Carry<{ m: Tensor }>()
  tidy(() => carry.put({ m: ones([2, 1, 6]) }))
  const own = tidy(() => keep(ones([1])))
  const misfit: Stateful = {
    state: () => new Map([['own', own]]),
    restore: () => {
      throw new Error('does not fit')
    },
  }
  const { trainer, model } = parts({ store: trainingFolder(folder), data, state: { carry, misfit } })
  const before = [bits(model), data.position, [...carry.value!.m.dataSync()]]
  const live = liveMemory().tensors
  await expect(trainer.resume()).rejects.toThrow('does not fit')
  expect([bits(model), data.position, [...carry.value!.m.dataSync()]]).toEqual(before)
  expect(trainer.step).toBe(0)
  expect(liveMemory().tensors).toBe(live)
})

it('refuses options that cannot work', () => {
  expect(() => parts({ accumulate: 0 })).toThrow(/wanted accumulate of at least 1/)
  expect(() => parts({ saveEvery: 2 })).toThrow(/saveEvery does nothing without store/)
  expect(() => parts({ evaluateEvery: 2 })).toThrow(/evaluateEvery does nothing without evaluate/)
  expect(() => parts({ bestBy: 'loss' })).toThrow(/bestBy does nothing without evaluate/)
  const bare = init(new Linear(2, 2), new Rng(1))
  const options = { model: bare, data: new TokenStreams(tokens, { batchSize: 2, length: 5 }), rng: new Rng(1) }
  expect(() => new Trainer({ ...options, optimizer: new SGD(bare, { lr: 1 }) })).toThrow(/has no loss\(batch\)/)
})
