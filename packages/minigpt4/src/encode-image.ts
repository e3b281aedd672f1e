import type { QFormer } from '@filature/qformer'
import {
  broadcastTo,
  ConfigError,
  inference,
  LayerNorm,
  Linear,
  Module,
  narrow,
  normal,
  ones,
  Parameter,
  parametersOf,
  reshape,
  type Tensor3D,
  type Tensor4D,
} from '@filature/tensor'
import type { EvaViT } from '@filature/vision'

/** The Q-Former under the name that checkpoints give it, its text heads left out. */
class QFormerHolder extends Module {
  readonly bert: QFormer

  constructor(bert: QFormer) {
    super()
    this.bert = bert
  }
}

export interface ImageEncoderParts {
  /** Finished, with or without values. */
  vision: EvaViT
  /** Left out, four neighbouring patches are joined instead (MiniGPT-4 without Q-Former, MiniGPT-v2). */
  qformer?: QFormer | undefined
  /** Width of the language model. */
  width: number
}

const JOINED = 4

/** Runs a part: dropout and stochastic depth are off in one that is frozen whole, also while the rest trains. */
function runPart<T>(part: Module, run: () => T): T {
  const frozen = [...parametersOf(part).values()].every((parameter) => !parameter.trainable)
  return frozen ? inference(run) : run()
}

/** From images to tokens of a language model. A base of `MiniGPT4`, so that its parts stand at the root of its names. */
export abstract class ImageEncoder extends Module {
  static override readonly taps = ['image_embeds', 'query_output', 'image_tokens']
  readonly visual_encoder: EvaViT
  readonly ln_vision: LayerNorm
  readonly query_tokens: Parameter | undefined
  readonly Qformer: QFormerHolder | undefined
  readonly llama_proj: Linear

  constructor({ vision, qformer, width }: ImageEncoderParts) {
    super()
    const features = vision.numFeatures
    this.visual_encoder = vision
    this.ln_vision = new LayerNorm(features)
    if (qformer) {
      const {
        query_length: Q = 32,
        hidden_size: C = 768,
        initializer_range = 0.02,
        encoder_width = 1408,
      } = qformer.config
      if (encoder_width !== features) {
        throw new ConfigError(
          'minigpt4-widths',
          `MiniGPT4: the Q-Former's encoder_width is ${encoder_width}, but the vision model's width is ${features}.`,
        )
      }
      this.query_tokens = new Parameter([1, Q, C], normal(initializer_range))
      this.Qformer = new QFormerHolder(qformer)
      this.llama_proj = new Linear(C, width)
    } else {
      const patches = vision.grid[0] * vision.grid[1]
      if (patches % JOINED !== 0) {
        throw new ConfigError('minigpt4-patches', `MiniGPT4: ${patches} patches must divide by ${JOINED} to be joined.`)
      }
      this.llama_proj = new Linear(JOINED * features, width)
    }
  }

  /** Images (B, 3, h, w) -> tokens (B, Q, width) */
  encodeImage(images: Tensor4D): Tensor3D {
    const seen = runPart(this.visual_encoder, () => this.visual_encoder.forward(images))
    const embeds = this.tap('image_embeds', this.ln_vision.forward(seen)) // (B, 1 + P, C)
    return this.tap('image_tokens', this.llama_proj.forward(this.Qformer ? this.ask(embeds) : this.join(embeds)))
  }

  private ask(embeds: Tensor3D): Tensor3D {
    const [B, S] = embeds.shape
    const [, Q, C] = this.query_tokens!.shape as [number, number, number]
    const query_embeds = broadcastTo(this.query_tokens!.value, [B, Q, C])
    const { bert } = this.Qformer!
    const output = runPart(bert, () =>
      bert.forward({
        query_embeds,
        encoder_hidden_states: embeds,
        encoder_attention_mask: ones([B, S]),
      }),
    )
    return this.tap('query_output', output)
  }

  /** Four neighbours of a row, class token dropped, as one token. (B, 1 + P, C) -> (B, P / 4, 4 C) */
  private join(embeds: Tensor3D): Tensor3D {
    const [B, tokens, C] = embeds.shape
    return reshape(narrow(embeds, 1, 1), [B, (tokens - 1) / JOINED, JOINED * C])
  }
}
