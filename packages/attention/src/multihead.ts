import {
  broadcastTo,
  ConfigError,
  concat,
  Dropout,
  type Initializer,
  type LayerCache,
  Linear,
  linear,
  logicalNot,
  mean,
  narrow,
  normal,
  observe,
  Parameter,
  pad,
  reshape,
  ShapeError,
  split,
  type Tensor,
  type Tensor3D,
  type Tensor4D,
  transpose,
  xavierUniform,
  zeros,
  zerosInit,
} from '@filature/tensor'
import { addBiases, causalBias, fillBias, fourAxes } from './masks.ts'
import { AttentionModule, joinHeads, splitHeads } from './scaled-dot-product.ts'

export interface MultiheadOptions {
  /** Dropout of the pattern. */
  dropout?: number
  bias?: boolean
  /** One learned key and value more, `bias_k` and `bias_v`, at the end of every sequence. */
  addBiasKv?: boolean
  /** A key and a value of zeros at the end. */
  addZeroAttn?: boolean
  /** Widths of keys and values where they are not the queries'; the projections are then stored apart. */
  kdim?: number
  vdim?: number
  /** (B, T, C) when true, as everywhere here; torch's own default is (T, B, C). */
  batchFirst?: boolean
  /** Start of the output projection; torch's default for linear layers when left out. */
  outInit?: Initializer
}

export interface MultiheadInputs {
  /** Keys to leave out: bool (B, S), true = left out, or a float bias (B, S). */
  keyPaddingMask?: Tensor | undefined
  /** What not to see: bool (T, S) or (B * H, T, S), true = not seen, or a float bias of that shape. */
  attnMask?: Tensor | undefined
  /** Query i sees key j <= i + S - T, without a mask. */
  causal?: boolean
  headMask?: Tensor | undefined
  /** Keys and values of earlier positions, to which those of this call are added. */
  cache?: LayerCache | undefined
}

/** Keys and values of one attention, (B, S, H, D). */
export interface KeyValues {
  k: Tensor4D
  v: Tensor4D
}

/**
 * Multi-head attention with the parameters and the options of torch's `nn.MultiheadAttention`.
 * query (B, T, C), key (B, S, kdim), value (B, S, vdim) -> (B, T, C)
 */
export class MultiheadAttention extends AttentionModule {
  readonly in_proj_weight: Parameter | undefined
  readonly q_proj_weight: Parameter | undefined
  readonly k_proj_weight: Parameter | undefined
  readonly v_proj_weight: Parameter | undefined
  readonly in_proj_bias: Parameter | undefined
  readonly bias_k: Parameter | undefined
  readonly bias_v: Parameter | undefined
  readonly out_proj: Linear
  readonly heads: number
  readonly width: number
  readonly addZeroAttn: boolean
  readonly batchFirst: boolean
  readonly patternDropout: Dropout

  constructor(width: number, heads: number, options: MultiheadOptions = {}) {
    super()
    const { dropout = 0, bias = true, addBiasKv = false, addZeroAttn = false, batchFirst = true } = options
    const { kdim = width, vdim = width, outInit } = options
    if (width % heads !== 0 || heads < 1) {
      throw new ConfigError(
        'heads-divide',
        `MultiheadAttention: embed_dim ${width} must divide by num_heads ${heads}; check the configuration.`,
      )
    }
    if (kdim === width && vdim === width) {
      this.in_proj_weight = new Parameter([3 * width, width], xavierUniform())
    } else {
      this.q_proj_weight = new Parameter([width, width], xavierUniform())
      this.k_proj_weight = new Parameter([width, kdim], xavierUniform())
      this.v_proj_weight = new Parameter([width, vdim], xavierUniform())
    }
    this.in_proj_bias = bias ? new Parameter([3 * width], zerosInit) : undefined
    // torch's Xavier normal: both fans of (1, 1, C) are C
    const oneKey = () => new Parameter([1, 1, width], normal(Math.sqrt(1 / width)))
    this.bias_k = addBiasKv ? oneKey() : undefined
    this.bias_v = addBiasKv ? oneKey() : undefined
    this.out_proj = new Linear(width, width, { bias, biasInit: zerosInit, ...(outInit ? { init: outInit } : {}) })
    this.heads = heads
    this.width = width
    this.addZeroAttn = addZeroAttn
    this.batchFirst = batchFirst
    this.patternDropout = new Dropout(dropout)
  }

  forward(query: Tensor3D, key: Tensor3D = query, value: Tensor3D = key, inputs: MultiheadInputs = {}): Tensor3D {
    for (const x of [query, key, value]) {
      if (x.rank === 3) continue
      throw new ShapeError(
        'multihead-inputs',
        `MultiheadAttention: wanted query, key and value with three axes, got [${query.shape}], [${key.shape}] and ` +
          `[${value.shape}]; give a single sequence a batch of 1.`,
      )
    }
    if (this.batchFirst) return this.run(query, key, value, inputs)
    const swap = (x: Tensor3D) => transpose(x, [1, 0, 2])
    const q = swap(query)
    const k = key === query ? q : swap(key)
    return swap(this.run(q, k, value === key ? k : swap(value), inputs))
  }

  /** With the pattern, (B, T, S) as the mean of the heads or (B, H, T, S): torch's second result. */
  forwardWithWeights(
    query: Tensor3D,
    key: Tensor3D = query,
    value: Tensor3D = key,
    inputs: MultiheadInputs = {},
    { average = true }: { average?: boolean } = {},
  ): { out: Tensor3D; weights: Tensor } {
    let pattern: Tensor | undefined
    const see = (x: Tensor) => {
      pattern = x
    }
    const out = observe(this, { pattern: see }, () => this.forward(query, key, value, inputs))
    return { out, weights: average ? mean(pattern!, 1) : pattern! }
  }

  /** Attention to keys and values that `keyValues` made before: an encoder's memory, once for all steps. */
  forwardTo(query: Tensor3D, { k, v }: KeyValues, inputs: Omit<MultiheadInputs, 'cache'> = {}): Tensor3D {
    return this.mix(splitHeads(this.project(query, 0), this.heads), k, v, inputs)
  }

  /** The projected keys and values of a memory: key (B, S, kdim), value (B, S, vdim) */
  keyValues(key: Tensor3D, value: Tensor3D = key): KeyValues {
    if (this.in_proj_weight && key === value) {
      const C = this.width
      const rows = (x: Tensor) => narrow(x, 0, C) // keys and values in one product
      const joined = linear(key, rows(this.in_proj_weight.value), this.in_proj_bias && rows(this.in_proj_bias.value))
      const [k, v] = split(joined, 2, 2).map((x) => splitHeads(x, this.heads)) as [Tensor4D, Tensor4D]
      return { k, v }
    }
    return { k: splitHeads(this.project(key, 1), this.heads), v: splitHeads(this.project(value, 2), this.heads) }
  }

  private run(query: Tensor3D, key: Tensor3D, value: Tensor3D, inputs: MultiheadInputs): Tensor3D {
    let q: Tensor4D
    let k: Tensor4D
    let v: Tensor4D
    if (this.in_proj_weight && query === key && key === value) {
      // one product for all three
      const joined = linear(query, this.in_proj_weight.value, this.in_proj_bias?.value) // (B, T, 3 C)
      ;[q, k, v] = split(joined, 3, 2).map((x) => splitHeads(x, this.heads)) as [Tensor4D, Tensor4D, Tensor4D]
    } else {
      q = splitHeads(this.project(query, 0), this.heads)
      ;({ k, v } = this.keyValues(key, value))
    }
    return this.mix(q, k, v, inputs)
  }

  /** Rows of the joined projection: 0 queries, 1 keys, 2 values. (B, T, ...) -> (B, T, C) */
  private project(x: Tensor3D, part: 0 | 1 | 2): Tensor3D {
    const C = this.width
    const apart = [this.q_proj_weight, this.k_proj_weight, this.v_proj_weight][part]
    const weight = apart?.value ?? narrow(this.in_proj_weight!.value, 0, part * C, (part + 1) * C)
    const bias = this.in_proj_bias && narrow(this.in_proj_bias.value, 0, part * C, (part + 1) * C)
    return linear(x, weight, bias)
  }

  private mix(q: Tensor4D, k: Tensor4D, v: Tensor4D, { cache, ...inputs }: MultiheadInputs): Tensor3D {
    const [B, T, H, D] = k.shape
    const S = (cache?.length ?? 0) + T
    const extraKeys: Tensor4D[] = []
    const extraValues: Tensor4D[] = []
    if (this.bias_k && this.bias_v) {
      extraKeys.push(broadcastTo(reshape(this.bias_k.value, [1, 1, H, D]), [B, 1, H, D]))
      extraValues.push(broadcastTo(reshape(this.bias_v.value, [1, 1, H, D]), [B, 1, H, D]))
    }
    if (this.addZeroAttn) {
      extraKeys.push(zeros([B, 1, H, D]))
      extraValues.push(zeros([B, 1, H, D]))
    }
    const extra = extraKeys.length
    const bias = this.biasOf(q, S, extra, inputs)
    if (cache && extra) ({ k, v } = cache.append(k, v)) // those at the end are never held
    const heads = this.attend(q, extra ? concat([k, ...extraKeys], 1) : k, extra ? concat([v, ...extraValues], 1) : v, {
      bias,
      // with keys at the end the diagonal moves: the mask then says it
      causal: inputs.causal === true && extra === 0,
      headMask: inputs.headMask,
      cache: extra ? undefined : cache,
      dropout: this.patternDropout.draw(),
    })
    return this.out_proj.forward(joinHeads(heads))
  }

  /** The masks as one bias that broadcasts to (B, H, T, S + extra); keys added at the end are always seen. */
  private biasOf(q: Tensor4D, S: number, extra: number, inputs: MultiheadInputs): Tensor4D | undefined {
    const [B, T, H] = q.shape
    const { keyPaddingMask, attnMask, causal } = inputs
    const asBias = (mask: Tensor) => (mask.dtype === 'bool' ? fillBias(logicalNot(mask)) : mask)
    requireMaskType('keyPaddingMask', keyPaddingMask)
    requireMaskType('attnMask', attnMask)
    let padding: Tensor | undefined
    if (keyPaddingMask) {
      if (keyPaddingMask.shape.join() !== [B, S].join()) fail('keyPaddingMask', `[${[B, S]}]`, keyPaddingMask)
      padding = reshape(asBias(keyPaddingMask), [B, 1, 1, S])
    }
    let mask: Tensor | undefined
    if (attnMask) {
      const perHead = attnMask.rank === 3 && attnMask.shape[0] === B * H
      if (!perHead && attnMask.rank !== 2) fail('attnMask', `[${[T, S]}] or [${[B * H, T, S]}]`, attnMask)
      if (attnMask.shape.slice(-2).join() !== [T, S].join()) fail('attnMask', `(..., ${T}, ${S})`, attnMask)
      mask = perHead ? reshape(asBias(attnMask), [B, H, T, S]) : fourAxes(asBias(attnMask))
    }
    const own = causal && extra ? causalBias(T, S) : undefined
    const bias = addBiases(mask, padding, own) as Tensor4D | undefined
    return bias && extra
      ? pad(bias, [
          [0, 0],
          [0, 0],
          [0, 0],
          [0, extra],
        ])
      : bias
  }
}

/** Numbers that are 1 or 0 could mean either: torch refuses them as well. */
function requireMaskType(which: string, mask: Tensor | undefined): void {
  if (!mask || mask.dtype === 'bool' || mask.dtype === 'float32') return
  throw new ConfigError(
    'mask-dtype',
    `MultiheadAttention: wanted ${which} as bool (true = not seen) or float32 (added to the scores), got ${mask.dtype}; ` +
      `of a mask that is 1 where a key counts make equal(mask, 0).`,
  )
}

function fail(which: string, wanted: string, got: Tensor): never {
  throw new ShapeError('mask-shape', `MultiheadAttention: wanted ${which} of ${wanted}, got [${got.shape}].`)
}
