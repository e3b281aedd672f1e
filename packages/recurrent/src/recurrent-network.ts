import {
  ConfigError,
  concat,
  Dropout,
  gateCount,
  Module,
  Parameter,
  type RecurrentMode,
  type RecurrentResult,
  type RecurrentWeights,
  ShapeError,
  split,
  squeeze,
  stack,
  type Tensor,
  type Tensor2D,
  type Tensor3D,
  transpose,
  uniform,
  zeros,
} from '@filature/tensor'
import { fusedDirection, type State, steppedDirection, stepTaps } from './layer.ts'
import { type Packing, pack, packedDirection, rowsInOrder } from './lengths.ts'

export interface RecurrentOptions {
  /** Layers on top of each other (1). */
  num_layers?: number
  bias?: boolean
  /** x and out are (B, T, ...) instead of (T, B, ...). */
  batch_first?: boolean
  /** Rate between layers, while training. */
  dropout?: number
  bidirectional?: boolean
}

export interface InitialState {
  /** (L directions, B, H); zeros when left out. */
  h?: Tensor3D | undefined
  /** (L directions, B, H), of an LSTM. */
  c?: Tensor3D | undefined
}

export interface RecurrentOutput {
  /** (T, B, directions H), or batch first. */
  out: Tensor3D
  /** State after each layer's and direction's last step, (L directions, B, H). */
  h: Tensor3D
}

/** What torch's RNN, LSTM and GRU have in common. Weights carry torch's names: `weight_ih_l0_reverse`. */
export abstract class RecurrentNetwork extends Module {
  /** `l<layer>[_reverse].<gate>`: offered once for each step, (B, H); the n-th use in a run is the n-th step made. */
  static override readonly taps: readonly string[] = ['l*.h']

  readonly input_size: number
  readonly hidden_size: number
  readonly num_layers: number
  readonly batch_first: boolean
  readonly bidirectional: boolean
  readonly mode: RecurrentMode
  readonly between: Dropout

  constructor(mode: RecurrentMode, inputSize: number, hiddenSize: number, options: RecurrentOptions) {
    super()
    const { num_layers = 1, bias = true, batch_first = false, dropout = 0, bidirectional = false } = options
    for (const [key, value] of Object.entries({ input_size: inputSize, hidden_size: hiddenSize, num_layers })) {
      if (!(Number.isInteger(value) && value >= 1)) {
        throw new ConfigError(
          'recurrent-size',
          `${this.constructor.name}: wanted ${key} as a whole number of at least 1, got ${value}.`,
        )
      }
    }
    this.mode = mode
    this.input_size = inputSize
    this.hidden_size = hiddenSize
    this.num_layers = num_layers
    this.batch_first = batch_first
    this.bidirectional = bidirectional
    this.between = new Dropout(dropout)
    const rows = gateCount[mode] * hiddenSize
    const bound = 1 / Math.sqrt(hiddenSize)
    const init = uniform(-bound, bound) // torch's default for all of them
    const own = this as unknown as Record<string, Parameter>
    for (let k = 0; k < num_layers; k++) {
      for (const end of this.#ends()) {
        const width = k === 0 ? inputSize : hiddenSize * this.directions
        own[`weight_ih_l${k}${end}`] = new Parameter([rows, width], init)
        own[`weight_hh_l${k}${end}`] = new Parameter([rows, hiddenSize], init)
        if (!bias) continue
        own[`bias_ih_l${k}${end}`] = new Parameter([rows], init)
        own[`bias_hh_l${k}${end}`] = new Parameter([rows], init)
      }
    }
  }

  get directions(): number {
    return this.bidirectional ? 2 : 1
  }

  #ends(): readonly string[] {
    return this.bidirectional ? ['', '_reverse'] : ['']
  }

  #weights(k: number, end: string): RecurrentWeights {
    const own = this as unknown as Record<string, Parameter | undefined>
    const value = (name: string) => own[`${name}_l${k}${end}`]?.value
    return {
      w_ih: value('weight_ih')!,
      w_hh: value('weight_hh')!,
      b_ih: value('bias_ih'),
      b_hh: value('bias_hh'),
    }
  }

  /** All layers and directions; `lengths` (B) ends rows early, as torch's packed sequences do. */
  protected run(
    input: Tensor3D,
    initial: InitialState,
    lengths?: ArrayLike<number>,
  ): RecurrentOutput & { c?: Tensor3D } {
    if (input.rank !== 3 || input.shape[2] !== this.input_size) {
      const layout = this.batch_first ? '(B, T, ' : '(T, B, '
      throw new ShapeError(
        'recurrent-input',
        `${this.constructor.name}: wanted x ${layout}${this.input_size}), got [${input.shape}].`,
      )
    }
    let x = this.batch_first ? transpose(input, [1, 0, 2]) : input
    const [T, B] = x.shape
    const packing = lengths && pack(lengths, B, T)
    if (packing) x = rowsInOrder(x, packing.order)
    const starts = this.#states(initial, B, packing)
    const ends: State[] = []
    for (let k = 0; k < this.num_layers; k++) {
      if (k > 0) x = this.between.forward(x)
      const results = this.#ends().map((end, d) =>
        this.#direction(k, end, x, starts[k * this.directions + d]!, packing),
      )
      x = results.length === 1 ? results[0]!.out : concat([results[0]!.out, results[1]!.out], 2)
      ends.push(...results)
    }
    if (packing) x = rowsInOrder(x, packing.inverse)
    const stacked = (states: Tensor2D[]) => {
      const s = stack<Tensor3D>(states)
      return packing ? rowsInOrder(s, packing.inverse) : s
    }
    return {
      out: this.batch_first ? transpose(x, [1, 0, 2]) : x,
      h: stacked(ends.map(({ h }) => h)),
      ...(this.mode === 'lstm' ? { c: stacked(ends.map(({ c }) => c!)) } : {}),
    }
  }

  #direction(k: number, end: string, x: Tensor3D, start: State, packing: Packing | undefined): RecurrentResult {
    const weights = this.#weights(k, end)
    const reverse = end !== ''
    const site = (name: string) => `l${k}${end}.${name}`
    const watched = stepTaps[this.mode].some((name) => this.tapped(site(name)))
    const dense = (input: Tensor3D, state: State) =>
      watched
        ? steppedDirection(this.mode, input, state, weights, reverse, (name, value) => this.tap(site(name), value))
        : fusedDirection(this.mode, input, state, weights, reverse)
    return packing ? packedDirection(packing, x, start, reverse, dense) : dense(x, start)
  }

  /** One state for each layer and direction. */
  #states({ h, c }: InitialState, B: number, packing: Packing | undefined): State[] {
    const count = this.num_layers * this.directions
    const wanted = [count, B, this.hidden_size]
    const read = (name: string, s: Tensor3D | undefined): Tensor2D[] => {
      if (!s) {
        const zero = zeros([B, this.hidden_size])
        return Array.from({ length: count }, () => zero)
      }
      if (s.rank !== 3 || s.shape.some((d, i) => d !== wanted[i])) {
        throw new ShapeError(
          'recurrent-state',
          `${this.constructor.name}: wanted the initial ${name} (layers x directions, B, H) = [${wanted}], got [${s.shape}].`,
        )
      }
      const rows = packing ? rowsInOrder(s, packing.order) : s
      return split<Tensor>(rows, count, 0).map((part) => squeeze<Tensor2D>(part, [0]))
    }
    const hs = read('h', h)
    if (this.mode !== 'lstm') return hs.map((state) => ({ h: state }))
    const cs = read('c', c)
    return hs.map((state, i) => ({ h: state, c: cs[i]! }))
  }
}
