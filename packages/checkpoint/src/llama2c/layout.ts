import { refuse } from '../refuse.ts'
import { countOf } from '../safetensors/header.ts'
import type { Llama2cHeader } from './header.ts'

/** One tensor of the file; its scales, where it has some, follow its weights. */
export interface Llama2cTensor {
  readonly shape: readonly number[]
  readonly count: number
  readonly begin: number
  /** Weights that share a scale; undefined for float32. */
  readonly groupSize: number | undefined
}

/** A run of the file: the tensor of every layer under one name, one tensor of the model, or what is skipped. */
interface Run {
  /** With `{}` for the number of the layer; undefined for the tables of sines, which the model derives. */
  readonly name: string | undefined
  readonly shape: readonly number[]
  readonly copies: number
}

/**
 * The tensors of a llama2.c file in their fixed order, named as llama2.c's model (and Meta's) names them. The sizes in
 * the header must account for the file to the byte.
 */
export function layoutLlama2c(header: Llama2cHeader, size: number, who: string): Map<string, Llama2cTensor> {
  const tensors = new Map<string, Llama2cTensor>()
  let at = header.end
  for (const { name, shape, copies } of header.version === 0 ? legacyRuns(header) : runs(header)) {
    const count = countOf([copies, ...shape], 8)
    if (count === undefined) refuse('llama2c-header', who, `${name ?? 'a table'} [${shape}] overflows.`)
    const each = count / copies
    // norms stay float32
    const groupSize = shape.length === 2 ? header.group_size : undefined
    if (groupSize !== undefined && each % groupSize !== 0) {
      refuse('llama2c-header', who, `${name} [${shape}] is not whole groups of ${groupSize} weights.`)
    }
    const bytes = groupSize === undefined ? 4 * each : each + 4 * (each / groupSize)
    if (at + copies * bytes > size) {
      refuse(
        'llama2c-truncated',
        who,
        `its header asks for ${at + copies * bytes} bytes or more, the file has ${size}.`,
      )
    }
    for (let i = 0; i < copies && name !== undefined; i++) {
      tensors.set(name.replace('{}', String(i)), { shape, count: each, begin: at + i * bytes, groupSize })
    }
    at += copies * bytes
  }
  if (at !== size) refuse('llama2c-trailing', who, `its header asks for ${at} bytes, the file has ${size}.`)
  return tensors
}

/** The matrices of a layer; the files differ in what stands around them. */
function parts(h: Llama2cHeader) {
  const { dim: C, hidden_dim: F, vocab_size: V, n_layers: L } = h
  const keys = (C / h.n_heads) * h.n_kv_heads
  const layered = (name: string, ...shape: number[]): Run => ({ name: `layers.{}.${name}.weight`, shape, copies: L })
  const single = (name: string, ...shape: number[]): Run => ({ name: `${name}.weight`, shape, copies: 1 })
  return {
    embedding: single('tok_embeddings', V, C),
    attentionNorm: layered('attention_norm', C),
    attention: [
      layered('attention.wq', C, C),
      layered('attention.wk', keys, C),
      layered('attention.wv', keys, C),
      layered('attention.wo', C, C),
    ],
    feedForwardNorm: layered('ffn_norm', C),
    feedForward: [layered('feed_forward.w1', F, C), layered('feed_forward.w2', C, F), layered('feed_forward.w3', F, C)],
    norm: single('norm', C),
    head: h.shared_classifier ? [] : [single('output', V, C)],
  }
}

function legacyRuns(h: Llama2cHeader): Run[] {
  const p = parts(h)
  const sines: Run = { name: undefined, shape: [h.max_seq_len, h.dim / h.n_heads], copies: 1 }
  return [p.embedding, p.attentionNorm, ...p.attention, p.feedForwardNorm, ...p.feedForward, p.norm, sines, ...p.head]
}

function runs(h: Llama2cHeader): Run[] {
  const p = parts(h)
  return [p.attentionNorm, p.feedForwardNorm, p.norm, p.embedding, ...p.attention, ...p.feedForward, ...p.head]
}
