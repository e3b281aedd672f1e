import { AttentionModule, joinHeads } from '@filature/attention'
import {
  add,
  broadcastTo,
  ConfigError,
  concat,
  Dropout,
  LayerNorm,
  Linear,
  Module,
  mean,
  narrow,
  normal,
  Parameter,
  rearrange,
  reshape,
  ShapeError,
  squeeze,
  type Tensor,
  type Tensor2D,
  type Tensor3D,
  type Tensor4D,
  unstack,
} from '@filature/tensor'
import { pair, patchGrid, type Size } from './grid.ts'

/** The arguments of vit-pytorch's `ViT`. */
export interface ViTConfig {
  image_size: Size
  patch_size: Size
  num_classes: number
  dim: number
  depth: number
  heads: number
  mlp_dim: number
  pool?: 'cls' | 'mean'
  channels?: number
  dim_head?: number
  dropout?: number
  emb_dropout?: number
  /**
   * Which release's state dict. `current`: no batch axis on the class token and positions, no class token when pooling
   * the mean. `batched` (2023): a batch axis and always a class token. `prenorm` (2022 and before): as `batched`,
   * norms wrap the sublayers (`fn`), patches are not normed, and the last norm sits in the head, after pooling.
   */
  layout?: 'current' | 'batched' | 'prenorm'
}

/** Multi-head self-attention. (B, T, C) -> (B, T, C) */
export class ViTAttention extends AttentionModule {
  readonly norm: LayerNorm | undefined
  readonly dropout: Dropout
  readonly to_qkv: Linear
  readonly to_out: [Linear, Dropout] | undefined
  readonly heads: number

  constructor({ dim, heads, dim_head = 64, dropout = 0 }: ViTConfig, ownNorm: boolean) {
    super()
    this.heads = heads
    this.norm = ownNorm ? new LayerNorm(dim) : undefined
    this.dropout = new Dropout(dropout)
    this.to_qkv = new Linear(dim, 3 * heads * dim_head, { bias: false })
    // one head as wide as the model needs no projection
    const projected = heads > 1 || dim_head !== dim
    this.to_out = projected ? [new Linear(heads * dim_head, dim), new Dropout(dropout)] : undefined
  }

  forward(x: Tensor3D): Tensor3D {
    const normed = this.norm ? this.norm.forward(x) : x
    const qkv = rearrange(this.to_qkv.forward(normed), 'b t (n h d) -> n b t h d', { n: 3, h: this.heads })
    const [q, k, v] = unstack<Tensor4D>(qkv) as [Tensor4D, Tensor4D, Tensor4D] // (B, T, H, D) each
    const out = joinHeads(this.attend(q, k, v, { dropout: this.dropout.draw() }))
    return this.to_out ? this.to_out[1].forward(this.to_out[0].forward(out)) : out
  }
}

/** Two linear layers with an exact GELU between. (B, T, C) -> (B, T, C) */
export class ViTFeedForward extends Module {
  static override readonly taps = ['memory', 'out']
  /** [norm,] up, -, dropout, down, dropout: the places of the reference's nn.Sequential */
  readonly net: Module[]

  constructor({ dim, mlp_dim, dropout = 0 }: ViTConfig, ownNorm: boolean) {
    super()
    const net: Module[] = ownNorm ? [new LayerNorm(dim)] : []
    const first = net.length
    net[first] = new Linear(dim, mlp_dim, { activation: 'gelu' })
    net[first + 2] = new Dropout(dropout)
    net[first + 3] = new Linear(mlp_dim, dim)
    net[first + 4] = new Dropout(dropout)
    this.net = net
  }

  forward(x: Tensor3D): Tensor3D {
    const [down, dropOut] = this.net.slice(-2) as [Linear, Dropout]
    const dropMemory = this.net.at(-3) as Dropout
    const up = this.net.at(-5) as Linear
    const normed = this.net.length > 5 ? (this.net[0] as LayerNorm).forward(x) : x
    const memory = this.tap('memory', up.forward(normed)) // (B, T, F)
    return this.tap('out', dropOut.forward(down.forward(dropMemory.forward(memory))))
  }
}

type Sublayer = Module & { forward(x: Tensor3D): Tensor3D }

/** A norm in front of a sublayer: the `prenorm` layout's wrapper. */
class PreNorm extends Module {
  readonly norm: LayerNorm
  readonly fn: Sublayer

  constructor(dim: number, fn: Sublayer) {
    super()
    this.norm = new LayerNorm(dim)
    this.fn = fn
  }

  forward(x: Tensor3D): Tensor3D {
    return this.fn.forward(this.norm.forward(x))
  }
}

/** The blocks: x + attention, x + feed-forward, each behind a norm. */
export class ViTTransformer extends Module {
  readonly layers: [Sublayer, Sublayer][]
  readonly norm: LayerNorm | undefined

  constructor(config: ViTConfig) {
    super()
    const wrapped = config.layout === 'prenorm'
    const place = (sublayer: Sublayer) => (wrapped ? new PreNorm(config.dim, sublayer) : sublayer)
    this.layers = Array.from({ length: config.depth }, () => [
      place(new ViTAttention(config, !wrapped)),
      place(new ViTFeedForward(config, !wrapped)),
    ])
    this.norm = wrapped ? undefined : new LayerNorm(config.dim)
  }

  forward(x: Tensor3D): Tensor3D {
    for (const [attend, feedForward] of this.layers) {
      x = add(x, attend.forward(x))
      x = add(x, feedForward.forward(x))
    }
    return this.norm ? this.norm.forward(x) : x
  }
}

/**
 * The Vision Transformer (Dosovitskiy et al. 2020), with the state dict of vit-pytorch.
 * image (B, channels, height, width) -> logits (B, num_classes)
 */
export class ViT extends Module {
  static override readonly taps = ['patch_embedding', 'transformer_out']
  /** Rearranging, [norm,] linear [, norm]: places as in the reference's nn.Sequential. */
  readonly to_patch_embedding: Module[]
  readonly cls_token: Parameter
  readonly pos_embedding: Parameter
  readonly dropout: Dropout
  readonly transformer: ViTTransformer
  readonly mlp_head: Linear | [LayerNorm, Linear]
  readonly config: ViTConfig

  constructor(config: ViTConfig) {
    super()
    const { dim, pool = 'cls', channels = 3, layout = 'current', num_classes, emb_dropout = 0 } = config
    if (pool !== 'cls' && pool !== 'mean') {
      throw new ConfigError('vit-pool', `ViT: wanted pool 'cls' or 'mean', got '${pool}'.`)
    }
    if (!['current', 'batched', 'prenorm'].includes(layout)) {
      throw new ConfigError('vit-layout', `ViT: wanted layout 'current', 'batched' or 'prenorm', got '${layout}'.`)
    }
    const [rows, columns] = patchGrid('ViT', config.image_size, config.patch_size)
    const [ph, pw] = pair(config.patch_size)
    const patchWidth = channels * ph * pw
    this.config = config
    this.to_patch_embedding = []
    if (layout === 'prenorm') this.to_patch_embedding[1] = new Linear(patchWidth, dim)
    else {
      this.to_patch_embedding[1] = new LayerNorm(patchWidth)
      this.to_patch_embedding[2] = new Linear(patchWidth, dim)
      this.to_patch_embedding[3] = new LayerNorm(dim)
    }
    const classTokens = layout === 'current' && pool === 'mean' ? 0 : 1
    const batchAxis = layout === 'current' ? [] : [1]
    this.cls_token = new Parameter([...batchAxis, classTokens, dim], normal())
    this.pos_embedding = new Parameter([...batchAxis, rows * columns + classTokens, dim], normal())
    this.dropout = new Dropout(emb_dropout)
    this.transformer = new ViTTransformer(config)
    const head = new Linear(dim, num_classes)
    this.mlp_head = layout === 'prenorm' ? [new LayerNorm(dim), head] : head
  }

  forward(image: Tensor4D): Tensor2D {
    const tokens = this.dropout.forward(this.embed(image))
    const x = this.tap('transformer_out', this.transformer.forward(tokens)) // (B, T, C)
    const pooled = this.config.pool === 'mean' ? mean<Tensor2D>(x, 1) : squeeze<Tensor2D>(narrow(x, 1, 0, 1), [1]) // (B, C)
    if (this.mlp_head instanceof Linear) return this.mlp_head.forward(pooled)
    const [norm, head] = this.mlp_head
    return head.forward(norm.forward(pooled))
  }

  /** Patches, class token and positions. (B, c, h, w) -> (B, T, C) */
  private embed(image: Tensor4D): Tensor3D {
    const { channels = 3, image_size, patch_size, dim } = this.config
    const [height, width] = pair(image_size)
    const [ph, pw] = pair(patch_size)
    const B = image.shape[0]
    if (image.shape[1] !== channels || image.shape[2] !== height || image.shape[3] !== width) {
      throw new ShapeError(
        'vit-image',
        `ViT: wanted an image of (B, ${channels}, ${height}, ${width}), got [${image.shape}]; resize it first.`,
      )
    }
    let patches: Tensor = rearrange(image, 'b c (h p1) (w p2) -> b (h w) (p1 p2 c)', { p1: ph, p2: pw })
    // a list with a hole at 0: forEach passes over it
    this.to_patch_embedding.forEach((layer) => {
      patches = (layer as Linear).forward(patches)
    })
    const embedded = this.tap('patch_embedding', patches as Tensor3D) // (B, P, C)
    const classTokens = this.cls_token.size / dim
    if (classTokens === 0) return add(embedded, this.pos_embedding.value)
    const cls = broadcastTo(reshape(this.cls_token.value, [1, classTokens, dim]), [B, classTokens, dim])
    return add(concat([cls, embedded], 1), this.pos_embedding.value)
  }
}
