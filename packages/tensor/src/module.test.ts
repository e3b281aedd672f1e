import { beforeAll, describe, expect, it } from 'vitest'
import {
  Bf16Store,
  Buffer,
  cpu,
  differentiate,
  fromBf16,
  init,
  LayerNorm,
  type LayerNorm as LayerNormType,
  Linear,
  Module,
  moduleAt,
  normal,
  Parameter,
  parameterCount,
  parametersOf,
  Rng,
  replaceModule,
  type Scalar,
  square,
  stateOf,
  sum,
  type Tensor2D,
  tensor,
  tiesOf,
  toBf16,
  useBackend,
  valueAndGrads,
} from './index.ts'

class Nest extends Module {
  readonly layers: (Linear | LayerNormType)[][]
  readonly net: Linear[]
  readonly head: Linear
  readonly position_ids: Buffer
  readonly scale = 3

  constructor() {
    super()
    this.layers = [[new Linear(2, 3), new LayerNorm(3)], [new Linear(3, 2)]]
    this.net = []
    this.net[4] = new Linear(2, 2, { bias: false })
    this.head = new Linear(2, 2, { bias: false, weight: this.net[4].weight })
    this.position_ids = new Buffer([1, 4], { dtype: 'int32', derive: () => Int32Array.from([0, 1, 2, 3]) })
  }
}

beforeAll(async () => {
  await useBackend(cpu())
})

describe('Module', () => {
  it('names parameters by their path: nested lists, holes, ties and buffers', () => {
    const model = new Nest()
    expect([...stateOf(model).keys()]).toEqual([
      'layers.0.0.weight',
      'layers.0.0.bias',
      'layers.0.1.weight',
      'layers.0.1.bias',
      'layers.1.0.weight',
      'layers.1.0.bias',
      'net.4.weight',
      'head.weight',
      'position_ids',
    ])
    expect([...parametersOf(model).keys()]).not.toContain('head.weight')
    expect(tiesOf(model)).toEqual([['net.4.weight', 'head.weight']])
    expect(parameterCount(model)).toBe(6 + 3 + 3 + 3 + 6 + 2 + 4)
    expect(moduleAt(model, 'layers.1.0')).toBeInstanceOf(Linear)
  })

  it('is lazy, and says what to call', () => {
    const model = new Nest()
    expect(() => model.head.forward(tensor([[1, 2]]))).toThrow(/init\(model, rng\) or load/)
  })

  it('initialises by path: another layer changes nothing else', () => {
    const a = init(new Nest(), new Rng(1))
    const b = new Nest()
    b.layers[1]!.push(new Linear(5, 5))
    init(b, new Rng(1))
    const values = (m: Nest) => Array.from((m.layers[1]![0] as Linear).weight.value.dataSync())
    expect(values(a)).toEqual(values(b))
  })

  it('replaces a module in its place', () => {
    const model = new Nest()
    replaceModule(model, 'layers.0.0', () => new LayerNorm(2))
    expect([...stateOf(model).keys()].slice(0, 2)).toEqual(['layers.0.0.weight', 'layers.0.0.bias'])
    expect(() => replaceModule(model, 'layers.7.0', (m) => m)).toThrow(/no module/)
  })

  it('refuses a value of another shape and keeps the old one', () => {
    const p = new Parameter([2], normal())
    p.assign(tensor([1, 2]))
    expect(() => p.assign(tensor([1, 2, 3]))).toThrow(/wanted a value of \[2\]/)
    expect(Array.from(p.value.dataSync())).toEqual([1, 2])
  })
})

describe('packed weights', () => {
  it('round to nearest even and come back', () => {
    const x = Float32Array.from([1, -2.5, 1.00390625, 1.01171875, 3.4e38, Number.NaN, Number.POSITIVE_INFINITY, 1e-40])
    const back = fromBf16(toBf16(x))
    expect(Array.from(back.subarray(0, 4))).toEqual([1, -2.5, 1, 1.015625])
    expect(back[5]).toBeNaN()
    expect(back[6]).toBe(Number.POSITIVE_INFINITY)
  })

  it('multiply, and pass gradients to what comes before', () => {
    const layer = init(new Linear(4, 3), new Rng(1))
    const weight = Float32Array.from(new Rng(2).normal(12))
    const x = tensor(Float32Array.from(new Rng(3).normal(8)), [2, 4])
    layer.weight.setStore(Bf16Store.from(weight, [3, 4]))
    const loss = () => sum<Scalar>(square(layer.forward(x as Tensor2D)))
    const packed = differentiate(loss, [x])
    expect(() => valueAndGrads(layer, loss)).toThrow(/freeze it/)
    layer.weight.assign(tensor(fromBf16(toBf16(weight)), [3, 4]))
    const dense = differentiate(loss, [x])
    expect(packed.value.dataSync()[0]).toBeCloseTo(dense.value.dataSync()[0]!, 4)
    const wanted = dense.grads[0]!.dataSync()
    for (const [i, g] of packed.grads[0]!.dataSync().entries()) expect(g).toBeCloseTo(wanted[i]!, 4)
  })
})
