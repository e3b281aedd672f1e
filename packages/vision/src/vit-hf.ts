import { AttentionModule, joinHeads, splitHeads } from '@filature/attention'
import {
  activationNamed,
  add,
  broadcastTo,
  ConfigError,
  Conv2d,
  concat,
  crossEntropy,
  Dropout,
  LayerNorm,
  Linear,
  Module,
  narrow,
  Parameter,
  rearrange,
  type Scalar,
  ShapeError,
  squeeze,
  type Tensor1D,
  type Tensor2D,
  type Tensor3D,
  type Tensor4D,
  tanh,
  tidy,
  truncatedNormal,
  zerosInit,
} from '@filature/tensor'
import { pair, patchGrid } from './grid.ts'
import { complete, type HuggingFaceViTConfig, type Options } from './vit-hf-config.ts'

const linear = (o: Options, from: number, to: number, bias = true) =>
  new Linear(from, to, { bias, init: truncatedNormal(o.initializer_range), biasInit: zerosInit })

class SelfAttention extends AttentionModule {
  readonly query: Linear
  readonly key: Linear
  readonly value: Linear
  readonly dropout: Dropout
  readonly #heads: number

  constructor(o: Options) {
    super()
    const C = o.hidden_size
    this.query = linear(o, C, C, o.qkv_bias)
    this.key = linear(o, C, C, o.qkv_bias)
    this.value = linear(o, C, C, o.qkv_bias)
    this.dropout = new Dropout(o.attention_probs_dropout_prob)
    this.#heads = o.num_attention_heads
  }

  forward(x: Tensor3D): Tensor3D {
    const [q, k, v] = [this.query, this.key, this.value].map((p) => splitHeads(p.forward(x), this.#heads))
    return joinHeads(this.attend(q!, k!, v!, { dropout: this.dropout.draw() }))
  }
}

/** A dense layer with dropout, as the reference's `output` modules are. */
class Output extends Module {
  readonly dense: Linear
  readonly dropout: Dropout

  constructor(o: Options, from: number) {
    super()
    this.dense = linear(o, from, o.hidden_size)
    this.dropout = new Dropout(o.hidden_dropout_prob)
  }

  forward(x: Tensor3D): Tensor3D {
    return this.dropout.forward(this.dense.forward(x))
  }
}

class Attention extends Module {
  readonly attention: SelfAttention
  readonly output: Output

  constructor(o: Options) {
    super()
    this.attention = new SelfAttention(o)
    this.output = new Output(o, o.hidden_size)
  }

  forward(x: Tensor3D): Tensor3D {
    return this.output.forward(this.attention.forward(x))
  }
}

class Intermediate extends Module {
  static override readonly taps = ['memory']
  readonly dense: Linear
  readonly #act: <T extends Tensor3D>(x: T) => T

  constructor(o: Options) {
    super()
    this.dense = linear(o, o.hidden_size, o.intermediate_size)
    this.#act = activationNamed(o.hidden_act)
  }

  forward(x: Tensor3D): Tensor3D {
    return this.tap('memory', this.#act(this.dense.forward(x)))
  }
}

class Layer extends Module {
  static override readonly taps = ['out']
  readonly attention: Attention
  readonly intermediate: Intermediate
  readonly output: Output
  readonly layernorm_before: LayerNorm
  readonly layernorm_after: LayerNorm

  constructor(o: Options) {
    super()
    this.attention = new Attention(o)
    this.intermediate = new Intermediate(o)
    this.output = new Output(o, o.intermediate_size)
    this.layernorm_before = new LayerNorm(o.hidden_size, { eps: o.layer_norm_eps })
    this.layernorm_after = new LayerNorm(o.hidden_size, { eps: o.layer_norm_eps })
  }

  forward(x: Tensor3D): Tensor3D {
    x = add(x, this.attention.forward(this.layernorm_before.forward(x)))
    x = add(x, this.output.forward(this.intermediate.forward(this.layernorm_after.forward(x))))
    return this.tap('out', x)
  }
}

class PatchEmbeddings extends Module {
  readonly projection: Conv2d

  constructor(o: Options) {
    super()
    this.projection = new Conv2d(o.num_channels, o.hidden_size, pair(o.patch_size), { stride: pair(o.patch_size) })
  }
}

class Embeddings extends Module {
  readonly cls_token: Parameter
  readonly position_embeddings: Parameter
  readonly patch_embeddings: PatchEmbeddings
  readonly dropout: Dropout
  readonly #options: Options

  constructor(o: Options) {
    super()
    this.#options = o
    const [rows, columns] = patchGrid('ViT', o.image_size, o.patch_size)
    const init = truncatedNormal(o.initializer_range)
    this.cls_token = new Parameter([1, 1, o.hidden_size], init)
    this.position_embeddings = new Parameter([1, rows * columns + 1, o.hidden_size], init)
    this.patch_embeddings = new PatchEmbeddings(o)
    this.dropout = new Dropout(o.hidden_dropout_prob)
  }

  forward(image: Tensor4D): Tensor3D {
    const { num_channels: channels, image_size } = this.#options
    const [height, width] = pair(image_size)
    if (image.shape[1] !== channels || image.shape[2] !== height || image.shape[3] !== width) {
      throw new ShapeError(
        'vit-image',
        `ViT: wanted images (B, ${channels}, ${height}, ${width}), got [${image.shape}]; resize them, or load the model ` +
          'for their size with interpolatedPositions.',
      )
    }
    const patches = rearrange<Tensor3D>(this.patch_embeddings.projection.forward(image), 'b c h w -> b (h w) c')
    const [B, , C] = patches.shape
    const cls = broadcastTo(this.cls_token.value, [B, 1, C])
    return this.dropout.forward(add(concat([cls, patches], 1), this.position_embeddings.value))
  }
}

class Encoder extends Module {
  readonly layer: Layer[]

  constructor(o: Options) {
    super()
    this.layer = Array.from({ length: o.num_hidden_layers }, () => new Layer(o))
  }
}

class Pooler extends Module {
  readonly dense: Linear

  constructor(o: Options) {
    super()
    this.dense = linear(o, o.hidden_size, o.hidden_size)
  }
}

/** Hugging Face's `ViTModel`: image (B, c, h, w) -> (B, 1 + P, C), normed, the class token first. */
export class HuggingFaceViT extends Module {
  readonly embeddings: Embeddings
  readonly encoder: Encoder
  readonly layernorm: LayerNorm
  readonly pooler: Pooler | undefined

  constructor(config: HuggingFaceViTConfig = {}) {
    super()
    const o = complete(config)
    this.embeddings = new Embeddings(o)
    this.encoder = new Encoder(o)
    this.layernorm = new LayerNorm(o.hidden_size, { eps: o.layer_norm_eps })
    this.pooler = o.add_pooling_layer ? new Pooler(o) : undefined
  }

  forward(image: Tensor4D): Tensor3D {
    let x = this.embeddings.forward(image)
    for (const layer of this.encoder.layer) x = tidy(() => layer.forward(x))
    return this.layernorm.forward(x)
  }

  /** (B, 1 + P, C) -> (B, C) */
  pool(x: Tensor3D): Tensor2D {
    if (!this.pooler)
      throw new ConfigError('vit-pooler', 'ViT: no pooling layer; set add_pooling_layer in the configuration.')
    return tanh(this.pooler.dense.forward(classToken(x)))
  }
}

const classToken = (x: Tensor3D): Tensor2D => squeeze<Tensor2D>(narrow(x, 1, 0, 1), [1])

/** Hugging Face's `ViTForImageClassification`. image (B, c, h, w) -> logits (B, classes) */
export class ViTForImageClassification extends Module {
  readonly vit: HuggingFaceViT
  readonly classifier: Linear

  constructor(config: HuggingFaceViTConfig) {
    super()
    const classes = config.num_labels ?? Object.keys(config.id2label ?? {}).length
    if (classes < 1) {
      throw new ConfigError(
        'vit-labels',
        'ViTForImageClassification: wanted num_labels or id2label, got neither; check config.json.',
      )
    }
    const o = complete(config)
    this.vit = new HuggingFaceViT({ ...config, add_pooling_layer: false })
    this.classifier = linear(o, o.hidden_size, classes)
  }

  forward(image: Tensor4D): Tensor2D {
    return this.classifier.forward(classToken(this.vit.forward(image)))
  }

  /** Mean cross-entropy; labels int32 (B) */
  loss(image: Tensor4D, labels: Tensor1D): Scalar {
    return crossEntropy(this.forward(image), labels) as Scalar
  }
}
