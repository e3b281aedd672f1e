import { AttentionModule, joinHeads, KeyValueCache, LearnedPositions, paddingBiasFor } from '@filature/attention'
import {
  add,
  Buffer,
  type Cache,
  type CausalInputs,
  type CausalLM,
  crossEntropy,
  Dropout,
  Embedding,
  type LayerCache,
  LayerNorm,
  Linear,
  Module,
  narrow,
  normal,
  type Scalar,
  type Tensor2D,
  type Tensor3D,
  type Tensor4D,
  type Trainable,
  tidy,
  zerosInit,
} from '@filature/tensor'
import { embedded, queriesKeysValues } from './gpt-parts.ts'
import { mustDivide } from './must-divide.ts'

/** Keys as in nanoGPT's `GPTConfig`. */
export interface NanoGPTConfig {
  block_size: number
  vocab_size: number
  n_layer: number
  n_head: number
  n_embd: number
  dropout?: number
  /** Whether linear layers and norms have a bias. */
  bias?: boolean
}

type Options = Required<NanoGPTConfig>

interface BlockInputs {
  bias: Tensor4D | undefined
  cache: LayerCache | undefined
}

const linear = (ins: number, outs: number, { bias, n_layer }: Options, { intoResidual = false } = {}) =>
  new Linear(ins, outs, {
    bias,
    init: normal(intoResidual ? 0.02 / Math.sqrt(2 * n_layer) : 0.02),
    biasInit: zerosInit,
  })

/** Causal self-attention. (B, T, C) -> (B, T, C) */
export class CausalSelfAttention extends AttentionModule {
  readonly c_attn: Linear
  readonly c_proj: Linear
  readonly attn_dropout: Dropout
  readonly resid_dropout: Dropout
  /** The causal mask, as checkpoints of nanoGPT before torch 2 store it. */
  readonly bias: Buffer
  readonly #heads: number

  constructor(options: Options) {
    super()
    const { n_embd: C, block_size: T } = options
    this.c_attn = linear(C, 3 * C, options)
    this.c_proj = linear(C, C, options, { intoResidual: true })
    this.attn_dropout = new Dropout(options.dropout)
    this.resid_dropout = new Dropout(options.dropout)
    const derive = () => Float32Array.from({ length: T * T }, (_, e) => (e % T <= Math.floor(e / T) ? 1 : 0))
    this.bias = new Buffer([1, 1, T, T], { derive })
    this.#heads = options.n_head
  }

  forward(x: Tensor3D, { bias, cache }: BlockInputs): Tensor3D {
    const [q, k, v] = queriesKeysValues(this.c_attn.forward(x), this.#heads) // each (B, T, H, D)
    const heads = this.attend(q, k, v, { causal: true, bias, cache, dropout: this.attn_dropout.draw() })
    return this.resid_dropout.forward(this.c_proj.forward(joinHeads(heads)))
  }
}

/** The feed-forward layer with the exact GELU; tap `memory` (B, T, 4 C). */
class MLP extends Module {
  static override readonly taps = ['memory']
  readonly c_fc: Linear
  readonly c_proj: Linear
  readonly dropout: Dropout

  constructor(options: Options) {
    super()
    const { n_embd: C, bias } = options
    this.c_fc = new Linear(C, 4 * C, { bias, init: normal(0.02), biasInit: zerosInit, activation: 'gelu' })
    this.c_proj = linear(4 * C, C, options, { intoResidual: true })
    this.dropout = new Dropout(options.dropout)
  }

  forward(x: Tensor3D): Tensor3D {
    return this.dropout.forward(this.c_proj.forward(this.tap('memory', this.c_fc.forward(x))))
  }
}

/** x + attention, x + feed-forward, each behind a norm. */
class Block extends Module {
  static override readonly taps = ['out']
  readonly ln_1: LayerNorm
  readonly attn: CausalSelfAttention
  readonly ln_2: LayerNorm
  readonly mlp: MLP

  constructor(options: Options) {
    super()
    const { n_embd: C, bias } = options
    this.ln_1 = new LayerNorm(C, { bias })
    this.attn = new CausalSelfAttention(options)
    this.ln_2 = new LayerNorm(C, { bias })
    this.mlp = new MLP(options)
  }

  forward(x: Tensor3D, inputs: BlockInputs): Tensor3D {
    x = add(x, this.attn.forward(this.ln_1.forward(x), inputs))
    x = add(x, this.mlp.forward(this.ln_2.forward(x)))
    return this.tap('out', x)
  }
}

/** Embeddings, blocks and the last norm: the names that nanoGPT's `transformer` dictionary has. */
class NanoGPTBody extends Module {
  static override readonly taps = ['embeddings', 'out']
  readonly wte: Embedding
  readonly wpe: LearnedPositions
  readonly drop: Dropout
  readonly h: Block[]
  readonly ln_f: LayerNorm

  constructor(options: Options) {
    super()
    const { n_embd: C } = options
    this.wte = new Embedding(options.vocab_size, C, { init: normal(0.02) })
    this.wpe = new LearnedPositions(options.block_size, C)
    this.drop = new Dropout(options.dropout)
    this.h = Array.from({ length: options.n_layer }, () => new Block(options))
    this.ln_f = new LayerNorm(C, { bias: options.bias })
  }

  forward(inputs: CausalInputs): Tensor3D {
    const { attentionMask, cache } = inputs
    let x = this.drop.forward(this.tap('embeddings', embedded('NanoGPT', this, inputs)))
    const [B, T] = x.shape
    const bias = attentionMask && paddingBiasFor(attentionMask, B, (cache?.length ?? 0) + T)
    this.h.forEach((block, i) => {
      x = tidy(() => block.forward(x, { bias, cache: cache?.layer(i) }))
    })
    return this.tap('out', this.ln_f.forward(x))
  }
}

/** Ids and what each position should predict. */
export interface NanoGPTBatch {
  /** int32 (B, T) */
  ids: Tensor2D
  /** int32 (B, T), -1 left out: the next token of each position, not shifted again. */
  targets: Tensor2D
}

/** GPT-2's network as nanoGPT has it: (out, in) weights, exact GELU, optional biases; the head tied to the embeddings. */
export class NanoGPT extends Module implements CausalLM, Trainable<NanoGPTBatch> {
  readonly transformer: NanoGPTBody
  readonly lm_head: Linear
  readonly config: NanoGPTConfig

  constructor(config: NanoGPTConfig) {
    super()
    const options = { dropout: 0, bias: true, ...config }
    mustDivide('NanoGPT', options, 'n_embd', 'n_head')
    this.config = config
    this.transformer = new NanoGPTBody(options)
    const weight = this.transformer.wte.weight
    this.lm_head = new Linear(options.n_embd, options.vocab_size, { bias: false, weight })
  }

  /** -> (B, T, V), or (B, 1, V) for `lastOnly` */
  logits({ lastOnly, ...inputs }: CausalInputs): Tensor3D {
    const x = this.transformer.forward(inputs)
    return this.lm_head.forward(lastOnly ? narrow(x, 1, -1) : x)
  }

  loss({ ids, targets }: NanoGPTBatch): Scalar {
    return crossEntropy(this.logits({ ids }), targets, { ignoreIndex: -1 }) as Scalar
  }

  newCache(batch: number, capacity: number): Cache {
    return new KeyValueCache({ layers: this.transformer.h.length, batch, capacity })
  }
}
