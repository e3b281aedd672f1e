import {
  add,
  attention,
  concat,
  crossEntropy,
  Embedding,
  embedding,
  LayerNorm,
  Linear,
  linear,
  Module,
  normal,
  oneHot,
  Parameter,
  recurrent,
  reshape,
  type Scalar,
  slice,
  split,
  type Tensor,
  type Tensor2D,
  type Tensor3D,
  type Tensor4D,
  tile,
  transpose,
  zeros,
} from '@filature/tensor'

/** Pre-norm block: x + attention(norm x), then x + mlp(norm x). */
class Block extends Module {
  readonly n1: LayerNorm
  readonly qkv: Linear
  readonly o: Linear
  readonly n2: LayerNorm
  readonly a: Linear
  readonly b: Linear
  readonly heads: number
  readonly causal: boolean

  constructor(C: number, H: number, F: number, causal: boolean) {
    super()
    this.n1 = new LayerNorm(C)
    this.qkv = new Linear(C, 3 * C)
    this.o = new Linear(C, C)
    this.n2 = new LayerNorm(C)
    this.a = new Linear(C, F, { activation: 'gelu' })
    this.b = new Linear(F, C)
    this.heads = H
    this.causal = causal
  }

  /** (B, T, C) -> (B, T, C) */
  forward(x: Tensor3D): Tensor3D {
    const [B, T, C] = x.shape
    const heads = (t: Tensor3D) => reshape(t, [B, T, this.heads, C / this.heads]) as Tensor4D
    const [q, k, v] = split(this.qkv.forward(this.n1.forward(x)), 3, 2) as [Tensor3D, Tensor3D, Tensor3D]
    const attended = attention(heads(q), heads(k), heads(v), { causal: this.causal })
    const y = add(x, this.o.forward(reshape(attended, [B, T, C])))
    return add(y, this.b.forward(this.a.forward(this.n2.forward(y))))
  }
}

/** The small GPT setting: learned positions, pre-norm blocks, tied head. */
export class GPT extends Module {
  readonly wte: Embedding
  readonly wpe: Embedding
  readonly blocks: Block[]
  readonly nf: LayerNorm

  constructor({ L = 6, C = 384, H = 6, context = 256, V = 65 } = {}) {
    super()
    this.wte = new Embedding(V, C)
    this.wpe = new Embedding(context, C)
    this.blocks = Array.from({ length: L }, () => new Block(C, H, 4 * C, true))
    this.nf = new LayerNorm(C)
  }

  /** ids (B, T), labels (B T) -> mean loss */
  loss(ids: Tensor, labels: Tensor): Scalar {
    const [, T] = ids.shape as [number, number]
    const C = this.wpe.weight.shape[1]!
    let x = add(embedding(this.wte.weight.value, ids), slice(this.wpe.weight.value, [0, 0], [T, C])) as Tensor3D
    for (const block of this.blocks) x = block.forward(x)
    const logits = linear(this.nf.forward(x), this.wte.weight.value)
    return crossEntropy(reshape(logits, [-1, logits.shape[2]!]), labels) as Scalar
  }
}

/** One-hot characters, one recurrent layer, a linear head. */
export class CharacterModel extends Module {
  readonly w_ih: Parameter
  readonly w_hh: Parameter
  readonly b_ih: Parameter
  readonly b_hh: Parameter
  readonly head: Linear
  readonly mode: 'tanh' | 'lstm' | 'gru'
  readonly V: number

  constructor(mode: 'tanh' | 'lstm' | 'gru', H: number, V = 65) {
    super()
    const n = { tanh: 1, gru: 3, lstm: 4 }[mode] * H
    this.w_ih = new Parameter([n, V], normal(0.05))
    this.w_hh = new Parameter([n, H], normal(0.05))
    this.b_ih = new Parameter([n], normal(0.05))
    this.b_hh = new Parameter([n], normal(0.05))
    this.head = new Linear(H, V)
    this.mode = mode
    this.V = V
  }

  /** ids (T, B), labels (T B) -> mean loss */
  loss(ids: Tensor, labels: Tensor): Scalar {
    const B = ids.shape[1]!
    const H = this.w_hh.shape[1]!
    const x = oneHot(ids, this.V) as Tensor3D // (T, B, V)
    const state = { h: zeros([B, H]) as Tensor2D, c: zeros([B, H]) as Tensor2D }
    const weights = { w_ih: this.w_ih.value, w_hh: this.w_hh.value, b_ih: this.b_ih.value, b_hh: this.b_hh.value }
    const { out } = recurrent(this.mode, x, state, weights)
    const logits = this.head.forward(reshape(out, [-1, H]))
    return crossEntropy(logits, labels) as Scalar
  }
}

/** Patches, class token, learned positions, pre-norm blocks. */
export class VisionModel extends Module {
  readonly patch: Linear
  readonly cls: Parameter
  readonly pos: Parameter
  readonly blocks: Block[]
  readonly nf: LayerNorm
  readonly head: Linear | undefined
  readonly side: number
  readonly size: number

  constructor(
    image: number,
    patch: number,
    channels: number,
    C: number,
    L: number,
    H: number,
    F: number,
    classes: number,
  ) {
    super()
    this.side = image / patch
    this.size = patch
    this.patch = new Linear(channels * patch * patch, C)
    this.cls = new Parameter([1, 1, C], normal(0.02))
    this.pos = new Parameter([1, this.side ** 2 + 1, C], normal(0.02))
    this.blocks = Array.from({ length: L }, () => new Block(C, H, F, false))
    this.nf = new LayerNorm(C)
    this.head = classes ? new Linear(C, classes) : undefined
  }

  /** images (B, channels, S, S) -> (B, P + 1, C) */
  forward(images: Tensor4D): Tensor3D {
    const [B, channels] = images.shape
    const { side, size } = this
    const grid = reshape(images, [B, channels, side, size, side, size])
    const patches = reshape(transpose(grid, [0, 2, 4, 1, 3, 5]), [B, side * side, channels * size * size])
    const tokens = this.patch.forward(patches) as Tensor3D
    let x = add(concat([tile(this.cls.value, [B, 1, 1]) as Tensor3D, tokens], 1), this.pos.value) as Tensor3D
    for (const block of this.blocks) x = block.forward(x)
    return this.nf.forward(x)
  }

  loss(images: Tensor4D, labels: Tensor): Scalar {
    const x = this.forward(images)
    const [B, , C] = x.shape
    return crossEntropy(this.head!.forward(reshape(slice(x, [0, 0, 0], [B, 1, C]), [B, C])), labels) as Scalar
  }
}

/** BERT-base's encoder from embeddings on: post-norm. */
export class Bert extends Module {
  readonly word: Embedding
  readonly position: Embedding
  readonly norm: LayerNorm
  readonly layers: PostNormLayer[]

  constructor({ L = 12, C = 768, H = 12, F = 3072, V = 30522, context = 512 } = {}) {
    super()
    this.word = new Embedding(V, C)
    this.position = new Embedding(context, C)
    this.norm = new LayerNorm(C)
    this.layers = Array.from({ length: L }, () => new PostNormLayer(C, H, F))
  }

  forward(ids: Tensor): Tensor3D {
    const [, T] = ids.shape as [number, number]
    const C = this.position.weight.shape[1]!
    const words = embedding(this.word.weight.value, ids)
    let x = this.norm.forward(add(words, slice(this.position.weight.value, [0, 0], [T, C]))) as Tensor3D
    for (const layer of this.layers) x = layer.forward(x)
    return x
  }
}

class PostNormLayer extends Module {
  readonly qkv: Linear
  readonly o: Linear
  readonly n1: LayerNorm
  readonly a: Linear
  readonly b: Linear
  readonly n2: LayerNorm
  readonly heads: number

  constructor(C: number, H: number, F: number) {
    super()
    this.qkv = new Linear(C, 3 * C)
    this.o = new Linear(C, C)
    this.n1 = new LayerNorm(C)
    this.a = new Linear(C, F, { activation: 'gelu' })
    this.b = new Linear(F, C)
    this.n2 = new LayerNorm(C)
    this.heads = H
  }

  forward(x: Tensor3D): Tensor3D {
    const [B, T, C] = x.shape
    const heads = (t: Tensor3D) => reshape(t, [B, T, this.heads, C / this.heads]) as Tensor4D
    const [q, k, v] = split(this.qkv.forward(x), 3, 2) as [Tensor3D, Tensor3D, Tensor3D]
    const attended = attention(heads(q), heads(k), heads(v))
    const y = this.n1.forward(add(x, this.o.forward(reshape(attended, [B, T, C]))))
    return this.n2.forward(add(y, this.b.forward(this.a.forward(y))))
  }
}
