import {
  AttentionModule,
  joinHeads,
  RelativePositionTable,
  relativePositionBias,
  relativePositionIndex,
  relativePositionRows,
} from '@filature/attention'
import {
  add,
  Buffer,
  broadcastTo,
  ConfigError,
  Conv2d,
  checkpointed,
  concat,
  constant,
  Dropout,
  DropPath,
  type Initializer,
  LayerNorm,
  Linear,
  Module,
  mul,
  Parameter,
  rearrange,
  ShapeError,
  type Tensor2D,
  type Tensor3D,
  type Tensor4D,
  tidy,
  truncatedNormal,
  unstack,
  zeros,
  zerosInit,
} from '@filature/tensor'
import { pair, patchGrid, type Size } from './grid.ts'

/** The arguments of EVA's `VisionTransformer`, as BLIP-2 and MiniGPT-4 have it. */
export interface EvaViTConfig {
  img_size?: Size
  patch_size?: Size
  in_chans?: number
  embed_dim?: number
  depth?: number
  num_heads?: number
  mlp_ratio?: number
  qkv_bias?: boolean
  /** Factor on the queries; 1 / sqrt(head width) by default. */
  qk_scale?: number | null
  drop_rate?: number
  attn_drop_rate?: number
  /** Stochastic depth of the last block; it rises linearly from 0. */
  drop_path_rate?: number
  /** Layer scale's initial value; none by default. */
  init_values?: number | null
  use_abs_pos_emb?: boolean
  /** A bias table in each block. */
  use_rel_pos_bias?: boolean
  /** One bias table for all blocks. */
  use_shared_rel_pos_bias?: boolean
  layer_norm_eps?: number
  /** Deviation of the initial weights, 0.02 by default; narrow models want more, about 1 / sqrt(embed_dim). */
  init_std?: number
  /** Compute each block again on the way back instead of keeping its activations. */
  use_checkpoint?: boolean
}

type Options = Required<EvaViTConfig> & { grid: [number, number] }

function complete(config: EvaViTConfig): Options {
  const options = {
    img_size: 224,
    patch_size: 16,
    in_chans: 3,
    embed_dim: 768,
    depth: 12,
    num_heads: 12,
    mlp_ratio: 4,
    qkv_bias: false,
    qk_scale: null,
    drop_rate: 0,
    attn_drop_rate: 0,
    drop_path_rate: 0,
    init_values: null,
    use_abs_pos_emb: true,
    use_rel_pos_bias: false,
    use_shared_rel_pos_bias: false,
    layer_norm_eps: 1e-6,
    init_std: 0.02,
    use_checkpoint: false,
    ...config,
  }
  if (options.embed_dim % options.num_heads !== 0) {
    throw new ConfigError(
      'eva-heads',
      `EvaViT: embed_dim ${options.embed_dim} must divide by num_heads ${options.num_heads}; check the configuration.`,
    )
  }
  return { ...options, grid: patchGrid('EvaViT', options.img_size, options.patch_size) }
}

const weights = ({ init_std }: Options): Initializer => truncatedNormal(init_std)
/** Residual branches start smaller the deeper they lie (BEiT): divided by sqrt(2 layer). */
const rescaled = (o: Options, layer: number): Initializer => {
  const factor = 1 / Math.sqrt(2 * layer)
  return (shape, rng) => weights(o)(shape, rng).map((x) => x * factor)
}

/** Self-attention with biases on queries and values only, and an optional bias table. */
export class EvaAttention extends AttentionModule {
  readonly qkv: Linear
  readonly q_bias: Parameter | undefined
  readonly v_bias: Parameter | undefined
  readonly relative_position_bias_table: Parameter | undefined
  readonly relative_position_index: Buffer | undefined
  readonly attn_drop: Dropout
  readonly proj: Linear
  readonly proj_drop: Dropout
  readonly heads: number
  readonly scale: number

  constructor(o: Options, layer: number) {
    super()
    const C = o.embed_dim
    this.heads = o.num_heads
    this.scale = o.qk_scale ?? (C / o.num_heads) ** -0.5
    this.qkv = new Linear(C, 3 * C, { bias: false, init: weights(o) })
    this.q_bias = o.qkv_bias ? new Parameter([C], zerosInit) : undefined
    this.v_bias = o.qkv_bias ? new Parameter([C], zerosInit) : undefined
    if (o.use_rel_pos_bias) {
      const N = o.grid[0] * o.grid[1] + 1
      this.relative_position_bias_table = new Parameter([relativePositionRows(o.grid), this.heads], zerosInit)
      this.relative_position_index = new Buffer([N, N], { dtype: 'int32', derive: () => relativePositionIndex(o.grid) })
    }
    this.attn_drop = new Dropout(o.attn_drop_rate)
    this.proj = new Linear(C, C, { init: rescaled(o, layer), biasInit: zerosInit })
    this.proj_drop = new Dropout(o.drop_rate)
  }

  /** x (B, N, C), sharedBias (1, H, N, N) -> (B, N, C) */
  forward(x: Tensor3D, sharedBias?: Tensor4D): Tensor3D {
    const C = x.shape[2]
    let joint = this.qkv.forward(x)
    if (this.q_bias && this.v_bias) joint = add(joint, concat([this.q_bias.value, zeros([C]), this.v_bias.value]))
    const parts = rearrange(joint, 'b n (three h d) -> three b n h d', { three: 3, h: this.heads })
    const [q, k, v] = unstack<Tensor4D>(parts) as [Tensor4D, Tensor4D, Tensor4D]
    const out = this.attend(q, k, v, {
      scale: this.scale,
      bias: this.bias(sharedBias),
      dropout: this.attn_drop.draw(),
    })
    return this.proj_drop.forward(this.proj.forward(joinHeads(out)))
  }

  private bias(shared: Tensor4D | undefined): Tensor4D | undefined {
    const { relative_position_bias_table: table, relative_position_index: index } = this
    if (!table || !index) return shared
    const own = relativePositionBias(table.value as Tensor2D, index.value as Tensor2D)
    return shared ? add(own, shared) : own
  }
}

export class EvaMLP extends Module {
  static override readonly taps = ['memory']
  readonly fc1: Linear
  readonly fc2: Linear
  readonly drop: Dropout

  constructor(o: Options, layer: number) {
    super()
    const { embed_dim: C, mlp_ratio, drop_rate } = o
    const F = Math.floor(C * mlp_ratio)
    this.fc1 = new Linear(C, F, { activation: 'gelu', init: weights(o), biasInit: zerosInit })
    this.fc2 = new Linear(F, C, { init: rescaled(o, layer), biasInit: zerosInit })
    this.drop = new Dropout(drop_rate)
  }

  forward(x: Tensor3D): Tensor3D {
    const memory = this.tap('memory', this.fc1.forward(x)) // (B, N, F)
    return this.drop.forward(this.fc2.forward(memory))
  }
}

/** x + attention, x + MLP, each behind a norm, with optional layer scale (Touvron et al. 2021) and stochastic depth. */
export class EvaBlock extends Module {
  static override readonly taps = ['out']
  readonly norm1: LayerNorm
  readonly attn: EvaAttention
  readonly norm2: LayerNorm
  readonly mlp: EvaMLP
  readonly gamma_1: Parameter | undefined
  readonly gamma_2: Parameter | undefined
  readonly drop_path: DropPath

  /** `layer` counts from 1. */
  constructor(o: Options, layer: number) {
    super()
    const { embed_dim: C, layer_norm_eps: eps, init_values: scale } = o
    this.norm1 = new LayerNorm(C, { eps })
    this.attn = new EvaAttention(o, layer)
    this.norm2 = new LayerNorm(C, { eps })
    this.mlp = new EvaMLP(o, layer)
    if (scale !== null && scale > 0) {
      this.gamma_1 = new Parameter([C], constant(scale))
      this.gamma_2 = new Parameter([C], constant(scale))
    }
    this.drop_path = new DropPath(o.depth > 1 ? (o.drop_path_rate * (layer - 1)) / (o.depth - 1) : 0)
  }

  forward(x: Tensor3D, sharedBias?: Tensor4D): Tensor3D {
    const attended = this.attn.forward(this.norm1.forward(x), sharedBias)
    x = add(x, this.drop_path.forward(this.gamma_1 ? mul(attended, this.gamma_1.value) : attended))
    const read = this.mlp.forward(this.norm2.forward(x))
    x = add(x, this.drop_path.forward(this.gamma_2 ? mul(read, this.gamma_2.value) : read))
    return this.tap('out', x)
  }
}

/** Non-overlapping patches through one convolution. (B, c, h, w) -> (B, P, C) */
class EvaPatchEmbed extends Module {
  readonly proj: Conv2d

  constructor({ in_chans, embed_dim, patch_size }: Options) {
    super()
    this.proj = new Conv2d(in_chans, embed_dim, pair(patch_size), { stride: pair(patch_size) })
  }

  forward(image: Tensor4D): Tensor3D {
    return rearrange<Tensor3D>(this.proj.forward(image), 'b c h w -> b (h w) c')
  }
}

/**
 * EVA's Vision Transformer (Fang et al. 2022) as BLIP-2 and MiniGPT-4 use it: the tokens of the last block, without a
 * final norm or head. image (B, in_chans, height, width) -> (B, 1 + P, embed_dim), the class token first.
 */
export class EvaViT extends Module {
  static override readonly taps = ['patch_embedding', 'shared_bias']
  readonly patch_embed: EvaPatchEmbed
  readonly cls_token: Parameter
  readonly pos_embed: Parameter | undefined
  readonly pos_drop: Dropout
  readonly rel_pos_bias: RelativePositionTable | undefined
  readonly blocks: EvaBlock[]
  readonly config: EvaViTConfig
  readonly grid: readonly [number, number]
  /** Width of the tokens. */
  readonly numFeatures: number

  constructor(config: EvaViTConfig) {
    super()
    const o = complete(config)
    const tokens = o.grid[0] * o.grid[1] + 1
    this.config = config
    this.grid = o.grid
    this.numFeatures = o.embed_dim
    this.patch_embed = new EvaPatchEmbed(o)
    this.cls_token = new Parameter([1, 1, o.embed_dim], weights(o))
    this.pos_embed = o.use_abs_pos_emb ? new Parameter([1, tokens, o.embed_dim], weights(o)) : undefined
    this.pos_drop = new Dropout(o.drop_rate)
    this.rel_pos_bias = o.use_shared_rel_pos_bias ? new RelativePositionTable(o.grid, o.num_heads) : undefined
    this.blocks = Array.from({ length: o.depth }, (_, i) => new EvaBlock(o, i + 1))
  }

  forward(image: Tensor4D): Tensor3D {
    this.checkImage(image)
    const patches = this.tap('patch_embedding', this.patch_embed.forward(image)) // (B, P, C)
    const cls = broadcastTo(this.cls_token.value, [image.shape[0], 1, this.numFeatures])
    let x: Tensor3D = concat([cls, patches], 1)
    if (this.pos_embed) x = add(x, this.pos_embed.value)
    x = this.pos_drop.forward(x)
    const sharedBias = this.rel_pos_bias && this.tap('shared_bias', this.rel_pos_bias.forward()) // (1, H, N, N)
    for (const block of this.blocks) x = this.run(block, x, sharedBias)
    return x
  }

  private run(block: EvaBlock, x: Tensor3D, sharedBias: Tensor4D | undefined): Tensor3D {
    if (!this.config.use_checkpoint) return tidy(() => block.forward(x, sharedBias))
    return checkpointed(block, { x, sharedBias }, ({ x, sharedBias }) => block.forward(x, sharedBias))
  }

  private checkImage(image: Tensor4D): void {
    const [height, width] = pair(this.config.img_size ?? 224)
    const channels = this.config.in_chans ?? 3
    if (image.shape[1] !== channels || image.shape[2] !== height || image.shape[3] !== width) {
      throw new ShapeError(
        'eva-image',
        `EvaViT: wanted images (B, ${channels}, ${height}, ${width}), got [${image.shape}]; resize them, or load the model ` +
          'for their size with interpolatedPositions.',
      )
    }
  }
}

/** EVA-ViT-g/14 as BLIP-2 and MiniGPT-4 load it: 39 of its 40 blocks, 986 million parameters. */
export const evaViTG: Readonly<EvaViTConfig> = {
  img_size: 224,
  patch_size: 14,
  embed_dim: 1408,
  depth: 39,
  num_heads: 16,
  mlp_ratio: 4.3637,
  qkv_bias: true,
  drop_path_rate: 0.4,
  layer_norm_eps: 1e-6,
}
