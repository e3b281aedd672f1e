import type { Numbers } from '@filature/goldens'
import {
  type Cache,
  type CausalInputs,
  type CausalLM,
  Module,
  type Tensor,
  type Tensor3D,
  tensor,
} from '@filature/tensor'

type Vector = Float64Array
type Matrix = { readonly rows: number; readonly columns: number; readonly data: ArrayLike<number> }

/** Where the numbers come from: a golden case is one. */
export interface TinySource {
  // biome-ignore lint/suspicious/noExplicitAny: the reference's configuration
  readonly config: any
  /** A tensor by its name: `weights.model.norm.weight`. */
  read(name: string): Numbers
}

/**
 * LLaMA in plain numbers, double precision, one position at a time: a model to hold decoding against a reference with,
 * independent of every kernel and of the model package.
 */
export class TinyLlama extends Module implements CausalLM {
  readonly #source: TinySource
  readonly #weights = new Map<string, Matrix>()

  constructor(source: TinySource) {
    super()
    this.#source = source
  }

  newCache(batch: number, capacity: number): TinyCache {
    return new TinyCache(batch, capacity)
  }

  logits({ ids, embeds, attentionMask, positionIds, cache }: CausalInputs): Tensor3D {
    const [batch, width] = (ids ?? embeds!).shape as [number, number]
    const { vocab_size, hidden_size } = this.#source.config
    const held = (cache as TinyCache | undefined) ?? new TinyCache(batch, Infinity)
    const before = held.length
    const mask = attentionMask?.dataSync()
    const places = positionIds?.dataSync()
    const tokens = (ids ?? embeds!).dataSync()
    const out = new Float32Array(batch * width * vocab_size)
    for (let row = 0; row < batch; row++) {
      for (let t = 0; t < width; t++) {
        const at = row * width + t
        const x = ids
          ? rowOf(this.#weight('model.embed_tokens.weight'), tokens[at]!)
          : Float64Array.from(tokens.slice(at * hidden_size, (at + 1) * hidden_size))
        const total = before + width
        const seen = (key: number) => mask?.[row * total + key] !== 0
        out.set(this.#position(x, places ? places[at]! : before + t, held.rows[row]!, seen), at * vocab_size)
      }
    }
    held.grow(width)
    return tensor(out, [batch, width, vocab_size])
  }

  /** One position of one row: x (C) -> logits (V). */
  #position(x: Vector, place: number, cache: Position[], seen: (key: number) => boolean): Vector {
    const { num_hidden_layers: layers, num_attention_heads: heads, hidden_size: C, rms_norm_eps } = this.#source.config
    const groups = this.#source.config.num_key_value_heads ?? heads
    const D = C / heads
    const here: Position = []
    cache.push(here)
    for (let l = 0; l < layers; l++) {
      const weight = (name: string) => this.#weight(`model.layers.${l}.${name}.weight`)
      const h = rmsNorm(x, weight('input_layernorm').data, rms_norm_eps)
      const q = rotate(times(weight('self_attn.q_proj'), h), D, place)
      here.push({ k: rotate(times(weight('self_attn.k_proj'), h), D, place), v: times(weight('self_attn.v_proj'), h) })
      const mixed = new Float64Array(C)
      for (let head = 0; head < heads; head++) {
        const g = Math.floor(head / (heads / groups)) * D
        const scores = cache.map((position, key) => {
          if (!seen(key)) return -Infinity
          let dot = 0
          for (let d = 0; d < D; d++) dot += q[head * D + d]! * position[l]!.k[g + d]!
          return dot / Math.sqrt(D)
        })
        const max = Math.max(...scores)
        const weights = scores.map((score) => (max === -Infinity ? 0 : Math.exp(score - max)))
        const sum = weights.reduce((a, b) => a + b, 0) || 1
        for (const [key, position] of cache.entries()) {
          for (let d = 0; d < D; d++) mixed[head * D + d]! += (weights[key]! / sum) * position[l]!.v[g + d]!
        }
      }
      x = plus(x, times(weight('self_attn.o_proj'), mixed))
      const m = rmsNorm(x, weight('post_attention_layernorm').data, rms_norm_eps)
      const gate = times(weight('mlp.gate_proj'), m)
      const up = times(weight('mlp.up_proj'), m)
      x = plus(
        x,
        times(
          weight('mlp.down_proj'),
          gate.map((a, i) => (a / (1 + Math.exp(-a))) * up[i]!),
        ),
      )
    }
    return times(this.#weight('lm_head.weight'), rmsNorm(x, this.#weight('model.norm.weight').data, rms_norm_eps))
  }

  #weight(name: string): Matrix {
    let matrix = this.#weights.get(name)
    if (!matrix) {
      const { shape, data } = this.#source.read(`weights.${name}`)
      matrix = { rows: shape[0]!, columns: shape[1] ?? 1, data }
      this.#weights.set(name, matrix)
    }
    return matrix
  }
}

/** Keys and values of every layer at one position. */
type Position = { readonly k: Vector; readonly v: Vector }[]

class TinyCache implements Cache {
  rows: Position[][]
  length = 0
  readonly #capacity: number

  constructor(batch: number, capacity: number) {
    this.rows = Array.from({ length: batch }, () => [])
    this.#capacity = capacity
  }

  grow(width: number): void {
    this.length += width
    if (this.length > this.#capacity)
      throw new Error(`TinyCache: ${this.length} positions in room for ${this.#capacity}`)
  }

  layer(): never {
    throw new Error('TinyCache: keeps plain numbers')
  }

  reorder(indices: Tensor): void {
    this.rows = Array.from(indices.dataSync(), (row) => [...this.rows[row]!])
  }

  [Symbol.dispose](): void {
    this.rows = []
  }
}

const rowOf = ({ data, columns }: Matrix, row: number): Vector =>
  Float64Array.from({ length: columns }, (_, i) => data[row * columns + i]!)

const times = ({ data, rows, columns }: Matrix, x: Vector): Vector =>
  Float64Array.from({ length: rows }, (_, row) => {
    let sum = 0
    for (let i = 0; i < columns; i++) sum += data[row * columns + i]! * x[i]!
    return sum
  })

const plus = (a: Vector, b: Vector): Vector => a.map((value, i) => value + b[i]!)

function rmsNorm(x: Vector, weight: ArrayLike<number>, eps: number): Vector {
  const rstd = 1 / Math.sqrt(x.reduce((sum, value) => sum + value * value, 0) / x.length + eps)
  return x.map((value, i) => value * rstd * weight[i]!)
}

/** Rotary positions, halves of each head of width D. */
function rotate(x: Vector, D: number, place: number): Vector {
  const out = new Float64Array(x.length)
  for (let start = 0; start < x.length; start += D) {
    for (let i = 0; i < D / 2; i++) {
      const angle = place / 10000 ** ((2 * i) / D)
      const [a, b] = [x[start + i]!, x[start + i + D / 2]!]
      out[start + i] = a * Math.cos(angle) - b * Math.sin(angle)
      out[start + i + D / 2] = b * Math.cos(angle) + a * Math.sin(angle)
    }
  }
  return out
}
