import { beforeAll, describe, expect, it } from 'vitest'
import * as tf from '#tfjs'
import {
  activationGrads,
  add,
  attention,
  capture,
  checkpointed,
  cpu,
  crossEntropy,
  Dropout,
  differentiate,
  Embedding,
  freeze,
  frozen,
  gelu,
  init,
  LayerNorm,
  Linear,
  liveMemory,
  Module,
  matMul,
  mean,
  mul,
  observe,
  Rng,
  reshape,
  type Scalar,
  square,
  sum,
  type Tensor,
  type Tensor2D,
  type Tensor3D,
  tensor,
  tidy,
  training,
  useBackend,
  valueAndGrads,
  zerosLike,
} from './index.ts'

class Block extends Module {
  static override readonly taps = ['memory', 'out']
  readonly norm: LayerNorm
  readonly up: Linear
  readonly drop: Dropout
  readonly down: Linear

  constructor(width: number, rate: number) {
    super()
    this.norm = new LayerNorm(width)
    this.up = new Linear(width, 4 * width)
    this.drop = new Dropout(rate)
    this.down = new Linear(4 * width, width)
  }

  forward(x: Tensor3D): Tensor3D {
    const memory = this.tap('memory', gelu(this.up.forward(this.norm.forward(x))))
    return this.tap('out', add(x, this.down.forward(this.drop.forward(memory))))
  }
}

class Tiny extends Module {
  readonly embed: Embedding
  readonly h: Block[]
  readonly head: Linear
  readonly recompute: boolean

  constructor({ rate = 0, recompute = false } = {}) {
    super()
    this.embed = new Embedding(11, 8)
    this.h = [new Block(8, rate), new Block(8, rate)]
    this.head = new Linear(8, 11, { bias: false, weight: this.embed.weight })
    this.recompute = recompute
  }

  loss(ids: Tensor2D, labels: Tensor2D): Scalar {
    let x = this.embed.forward<Tensor3D>(ids)
    for (const block of this.h) {
      x = this.recompute ? checkpointed(block, x, (y) => block.forward(y)) : tidy(() => block.forward(x))
    }
    return crossEntropy(this.head.forward(x), labels) as Scalar
  }
}

const ids = () => tensor([1, 5, 3, 10, 0, 2], [2, 3], 'int32')
const labels = () => tensor([5, 3, -100, 0, 2, 7], [2, 3], 'int32')
const values = (grads: Map<string, Tensor>) => new Map([...grads].map(([k, g]) => [k, Array.from(g.dataSync())]))

beforeAll(async () => {
  await useBackend(cpu())
})

describe('the backward walk', () => {
  it('equals tfjs bit for bit', () => {
    const f = (x: Tensor2D, w: Tensor2D) => mean<Scalar>(square(gelu(matMul(x, w))))
    const rng = new Rng(1)
    const x = tensor(Float32Array.from(rng.normal(12)), [3, 4])
    const w = tensor(Float32Array.from(rng.normal(20)), [4, 5])
    const ours = differentiate(() => f(x, w), [x, w]).grads
    const theirs = tf.grads(f as never)([x, w])
    for (const i of [0, 1]) expect(Array.from(ours[i]!.dataSync())).toEqual(Array.from(theirs[i]!.dataSync()))
  })

  it('gives null where nothing depends on a source, and refuses an op without gradient', () => {
    const x = tensor([1, 2, 3])
    const other = tensor([1, 2])
    expect(differentiate(() => sum<Scalar>(square(x)), [x, other]).grads[1]).toBeNull()
    expect(() => differentiate(() => sum<Scalar>(tf.cumprod(x)), [x])).toThrow(/no gradient/)
  })

  it('adds up a tensor used more than once, and twice in one op', () => {
    const x = tensor([1, -2, 3])
    const { grads } = differentiate(() => sum<Scalar>(add(mul(x, x), x)), [x])
    expect(Array.from(grads[0]!.dataSync())).toEqual([3, -3, 7])
  })

  it('is the same, and as tidy, in the modes in which tfjs reports on kernels', async () => {
    const model = init(new Tiny({ rate: 0.1 }), new Rng(7))
    const step = () =>
      tidy(() =>
        values(training(model, new Rng(1), () => valueAndGrads(model, () => model.loss(ids(), labels()))).grads),
      )
    const plain = step()
    const before = liveMemory()
    tf.env().set('IS_TEST', true) // checks each kernel for leaks
    try {
      expect(step()).toEqual(plain)
    } finally {
      tf.env().set('IS_TEST', false)
    }
    let profiled = plain
    const { kernels } = await tf.profile(() => {
      profiled = step()
    })
    expect(profiled).toEqual(plain)
    expect(kernels.map(({ name }) => name)).toContain('BatchMatMul')
    expect(liveMemory()).toEqual(before)
    model[Symbol.dispose]()
  })

  it('keeps nothing alive', () => {
    const model = init(new Tiny(), new Rng(7))
    const step = () => tidy(() => void valueAndGrads(model, () => model.loss(ids(), labels())))
    step()
    const before = liveMemory()
    for (let i = 0; i < 5; i++) step()
    expect(liveMemory()).toEqual(before)
    // a failure half-way leaves nothing either
    const failing = () => {
      throw new Error('stop')
    }
    const x = tensor([1, 2])
    const live = liveMemory()
    expect(() => tidy(() => differentiate(() => add(square(x), failing()), [x]))).toThrow('stop')
    expect(liveMemory()).toEqual(live)
    model[Symbol.dispose]()
  })

  it('keeps no activations of a part that no source reaches', () => {
    const x = tensor(Float32Array.from(new Rng(1).normal(4000)), [40, 100])
    const w = tensor([2])
    let held = 0
    tidy(() => {
      const before = liveMemory().bytes
      const tower = () => tidy(() => gelu(gelu(gelu(x))))
      const { grads } = differentiate(() => {
        const y = tower()
        held = liveMemory().bytes - before - 4 * y.size
        return sum<Scalar>(mul(y, w))
      }, [w])
      expect(grads[0]!.dataSync()[0]).toBeCloseTo(sum(tower()).dataSync()[0]!, 2)
    })
    expect(held).toBe(0)
  })

  it('treats a frozen part as a constant', () => {
    const x = tensor([2, 3])
    const { grads } = differentiate(
      () =>
        sum<Scalar>(
          mul(
            x,
            frozen(() => square(x)),
          ),
        ),
      [x],
    )
    expect(Array.from(grads[0]!.dataSync())).toEqual([4, 9])
  })

  it('leaves frozen parameters out', () => {
    const model = init(new Tiny(), new Rng(7))
    expect(freeze(model, (path) => path.startsWith('h.0'))).toContain('h.0.up.weight')
    const { grads } = valueAndGrads(model, () => model.loss(ids(), labels()))
    expect([...grads.keys()].some((path) => path.startsWith('h.0'))).toBe(false)
    expect(grads.has('h.1.up.weight')).toBe(true)
  })
})

describe('checkpointed', () => {
  it('gives the same gradients with the same dropout, holding less', () => {
    const run = (recompute: boolean) => {
      const model = init(new Tiny({ rate: 0.3, recompute }), new Rng(7))
      const { value, grads } = training(model, new Rng(3).fork(0), () =>
        valueAndGrads(model, () => model.loss(ids(), labels())),
      )
      return { loss: value.dataSync()[0], grads: values(grads) }
    }
    expect(run(true)).toEqual(run(false))
  })
})

describe('taps', () => {
  const model = init(new Tiny(), new Rng(7))

  it('captures by path, and says when nothing matched', () => {
    using found = capture(model, 'h.*.memory', () => model.loss(ids(), labels()))
    expect([...found.activations.keys()]).toEqual(['h.0.memory', 'h.1.memory'])
    expect(found.activations.get('h.1.memory')!.shape).toEqual([2, 3, 32])
    expect(() => capture(model, 'h.9.memory', () => model.loss(ids(), labels()))).toThrow(/no activation matched/)
  })

  it('edits change the run, and only the run', () => {
    const plain = model.loss(ids(), labels()).dataSync()[0]!
    const ablated = observe(model, { 'h.0.memory': zerosLike }, () => model.loss(ids(), labels())).dataSync()[0]!
    expect(ablated).not.toBe(plain)
    expect(model.loss(ids(), labels()).dataSync()[0]).toBe(plain)
    expect(() => observe(model, { 'h.0.memory': (x) => reshape(x, [-1]) }, () => model.loss(ids(), labels()))).toThrow(
      /keep its shape/,
    )
  })

  it('shows a capture what an edit inside it made', () => {
    using found = capture(model, 'h.0.memory', () =>
      observe(model, { 'h.0.memory': (x) => mul(x, 0) }, () => model.loss(ids(), labels())),
    )
    expect(
      found.activations
        .get('h.0.memory')!
        .dataSync()
        .every((v) => v === 0),
    ).toBe(true)
  })

  it.each([false, true])('differentiates by an activation (recompute %s)', (recompute) => {
    const tiny = init(new Tiny({ recompute }), new Rng(7))
    const { grads } = activationGrads(tiny, 'h.0.memory', () => tiny.loss(ids(), labels()))
    const gradient = grads.get('h.0.memory')!.dataSync()
    const probe = (delta: number) =>
      observe(
        tiny,
        {
          'h.0.memory': (x) =>
            add(
              x,
              tensor(
                Float32Array.from({ length: x.size }, (_, i) => (i === 40 ? delta : 0)),
                x.shape,
              ),
            ),
        },
        () => tiny.loss(ids(), labels()),
      ).dataSync()[0]!
    expect((probe(0.05) - probe(-0.05)) / 0.1).toBeCloseTo(gradient[40]!, 4)
  })
})

describe('run scope', () => {
  it('refuses a promise, and draws the same numbers for the same step', () => {
    const model = init(new Tiny({ rate: 0.5 }), new Rng(7))
    const loss = (step: number) =>
      training(model, new Rng(1).fork(step), () => model.loss(ids(), labels())).dataSync()[0]!
    expect(loss(4)).toBe(loss(4))
    expect(loss(4)).not.toBe(loss(5))
    expect(() => training(model, new Rng(1), async () => 1)).toThrow(/synchronous/)
  })
})

it('attention with every key hidden gives zeros and zero gradients', () => {
  const q = tensor(Float32Array.from(new Rng(1).normal(8)), [1, 2, 1, 4])
  const bias = tensor([0, 0, Number.NEGATIVE_INFINITY, Number.NEGATIVE_INFINITY], [1, 1, 2, 2])
  const { value, grads } = differentiate(() => attention(q, q, q, { bias }), [q], [attention(q, q, q)])
  expect(Array.from(value.dataSync()).slice(4)).toEqual([0, 0, 0, 0])
  expect(Array.from(grads[0]!.dataSync()).every(Number.isFinite)).toBe(true)
})
