import { type Generated, type GenerateOptions, generate, type Step, stream } from '@filature/generation'
import type { Llama } from '@filature/llama'
import type { QFormer } from '@filature/qformer'
import {
  ConfigError,
  concat,
  currentScope,
  dispose,
  enterScope,
  keep,
  narrow,
  reshape,
  type Scalar,
  ShapeError,
  type Tensor,
  type Tensor1D,
  type Tensor2D,
  type Tensor3D,
  type Tensor4D,
  tensor,
  tidy,
  zeros,
} from '@filature/tensor'
import type { EvaViT } from '@filature/vision'
import { ImageEncoder } from './encode-image.ts'
import { IGNORED, prepareTargets, type Samples, type TargetOptions, type Targets } from './samples.ts'
import { IMAGE, type TextCodec } from './text.ts'

export interface MiniGPT4Parts {
  vision: EvaViT
  qformer?: QFormer | undefined
  llama: Llama
  codec: TextCodec
}

export interface MiniGPT4Options extends Partial<TargetOptions> {
  /** Longest prompt in training in tokens, images among them; what is beyond it is cut. */
  maxContextLength?: number
}

/** Rows of embeddings of one length. */
export interface Embedded {
  /** (B, T, C) */
  embeds: Tensor3D
  /** 1 where a position counts, int32 (B, T) */
  mask: Tensor2D
  /** Positions that count, of each row. */
  lengths: number[]
}

/** Prompts, and the images of each: (B, 3, h, w), or (B, n, 3, h, w) for n places in each prompt. */
export interface Question {
  prompts: readonly string[]
  image?: Tensor
}

/** What the language model is trained on. */
export interface TrainingInputs {
  embeds: Tensor3D
  mask: Tensor2D
  /** int32 (B, T), -100 where nothing is trained. */
  labels: Tensor2D
}

/**
 * MiniGPT-4 (Zhu et al. 2023) and MiniGPT-v2 (Chen et al. 2023): a vision model and a Q-Former, both finished, joined to
 * a LLaMA by one projection. Parts come in ready-made; names are those of the published checkpoints.
 */
export class MiniGPT4 extends ImageEncoder {
  readonly llama_model: Llama
  readonly codec: TextCodec
  readonly options: Required<MiniGPT4Options>

  constructor({ vision, qformer, llama, codec }: MiniGPT4Parts, options: MiniGPT4Options = {}) {
    super({ vision, qformer, width: llama.config.hidden_size })
    this.llama_model = llama
    this.codec = codec
    this.options = {
      maxTextLength: 32,
      maxContextLength: 3800,
      endSymbol: '\n',
      promptTemplate: '',
      chatTemplate: false,
      ...options,
    }
  }

  /**
   * Mean loss of the answers' tokens. With reduction 'none' that of each sample (B), over all T - 1 positions of the
   * batch, those that are not trained counted as 0, as the reference has it.
   */
  loss(samples: Samples, options: { reduction: 'none' }): Tensor1D
  loss(samples: Samples, options?: { reduction?: 'mean' }): Scalar
  loss(samples: Samples, { reduction = 'mean' }: { reduction?: 'mean' | 'none' } = {}): Scalar | Tensor1D {
    const { embeds, mask, labels } = this.trainingInputs(samples)
    return this.llama_model.loss({ embeds, attentionMask: mask }, labels, { reduction: reduction as 'mean' })
  }

  /** Answers questions about images: greedy, sampled or by beams. */
  async answer(question: Question, options: GenerateOptions = {}): Promise<Generated> {
    const { prompt, settings, free } = this.ready(question, options)
    try {
      return await generate(this.llama_model, prompt, settings)
    } finally {
      free()
    }
  }

  /** The same token by token, in the run scope of the call. */
  answerStream(question: Question, options: GenerateOptions = {}): AsyncGenerator<Step, void> {
    const scope = currentScope()
    const open = () =>
      enterScope(scope, () => {
        const { prompt, settings, free } = this.ready(question, options)
        return { steps: stream(this.llama_model, prompt, settings), free }
      })
    return (async function* () {
      const { steps, free } = open()
      try {
        yield* steps
      } finally {
        free()
      }
    })()
  }

  /** The context as a prompt of embeddings, held until `free`. */
  private ready({ prompts, image }: Question, options: GenerateOptions) {
    checkBatch(prompts, image)
    const { embeds, lengths } = tidy(() => {
      const context = this.context(prompts, this.imagesOf({ image }))
      return { embeds: keep(context.embeds), lengths: context.lengths }
    })
    const T = embeds.shape[1]
    const attentionMask = Int32Array.from({ length: lengths.length * T }, (_, i) =>
      i % T >= T - lengths[Math.floor(i / T)]! ? 1 : 0,
    )
    const { bosId, eosId } = this.codec
    const settings = { maxNewTokens: 300, eosIds: eosId, bosId, ...options }
    return { prompt: { embeds, attentionMask }, settings, free: () => dispose(embeds) }
  }

  /** The prompts with their images, and what is to be answered. */
  prepare(samples: Samples): { prompt: Embedded; targets: Targets } {
    const targets = prepareTargets(samples, this.codec, this.options)
    const counts = 'length' in samples ? samples.length : undefined
    checkBatch(targets.prompts, samples.image, counts)
    return { prompt: this.wrapPrompts(targets.prompts, this.imagesOf(samples), counts), targets }
  }

  /** Begin, prompt with images, answer, padding: embeddings and labels. */
  trainingInputs(samples: Samples): TrainingInputs {
    const { prompt, targets } = this.prepare(samples)
    const joined = this.joinAnswer(prompt, this.embed(targets.ids), targets.mask)
    const B = targets.ids.length
    const T = joined.mask.shape[1] + 1
    const labels = targets.labels.flatMap((row, b) => {
      const first = prompt.lengths[b]! + 1
      return Array.from({ length: T }, (_, t) => row[t - first] ?? IGNORED)
    })
    return {
      embeds: concat([this.embed(targets.ids.map(() => [this.codec.bosId])), joined.embeds], 1),
      mask: concat([narrow(prompt.mask, 1, 0, 1), joined.mask], 1),
      labels: tensor(labels, [B, T], 'int32'),
    }
  }

  /** Prompts with their images in place, padded at the right with the padding token's embedding. */
  wrapPrompts(prompts: readonly string[], images: Tensor3D[] | undefined, counts?: readonly number[]): Embedded {
    const rows = prompts.map((prompt, i) => {
      const all = images?.[i]
      const used = all && counts ? narrow(all, 0, 0, counts[i]!) : all
      const row = this.interleave(prompt, used, false)
      return row.shape[1] > this.options.maxContextLength ? narrow(row, 1, 0, this.options.maxContextLength) : row
    })
    const pad = this.embed([[this.codec.padId]])
    return padRows(rows, 'right', (n) => concat(Array<Tensor3D>(n).fill(pad), 1))
  }

  /** Whole contexts for generation: begin, text and images, padded at the left with zeros. */
  context(prompts: readonly string[], images?: Tensor3D[]): Embedded {
    const rows = prompts.map((prompt, i) => this.interleave(prompt, images?.[i], true))
    return padRows(rows, 'left', (n) => zeros([1, n, this.llama_model.config.hidden_size]))
  }

  /** The images of each sample as tokens: (n, Q, C) a sample. */
  imagesOf({ image }: { image?: Tensor }): Tensor3D[] | undefined {
    if (!image) return undefined
    const several = image.rank === 5
    const flat = several ? reshape(image, [-1, ...image.shape.slice(2)]) : image
    const tokens = this.encodeImage(flat as Tensor4D) // (B n, Q, C)
    const n = several ? image.shape[1]! : 1
    return Array.from({ length: image.shape[0]! }, (_, b) => narrow(tokens, 0, b * n, (b + 1) * n))
  }

  /** A prompt's text with images (n, Q, C) at their places. -> (1, T, C) */
  private interleave(prompt: string, images: Tensor3D | undefined, begin: boolean): Tensor3D {
    const segments = prompt.split(IMAGE)
    const places = segments.length - 1
    const given = images?.shape[0] ?? 0
    if (places !== given) {
      throw new ConfigError(
        'minigpt4-images',
        `MiniGPT4: the prompt has ${places} places ${IMAGE} for ${given} images; write one for each image.`,
      )
    }
    const parts: Tensor3D[] = []
    segments.forEach((segment, i) => {
      const ids = [...(begin && i === 0 ? [this.codec.bosId] : []), ...this.codec.encode(segment)]
      if (ids.length) parts.push(this.embed([ids]))
      if (i < places) parts.push(narrow(images!, 0, i, i + 1))
    })
    if (parts.length === 0) throw new ConfigError('minigpt4-prompt', 'MiniGPT4: the prompt is empty.')
    return parts.length === 1 ? parts[0]! : concat(parts, 1)
  }

  /** The answer behind each row's prompt, the prompt's padding behind the answer. */
  private joinAnswer(prompt: Embedded, answer: Tensor3D, answerMask: number[][]): { embeds: Tensor3D; mask: Tensor2D } {
    const rows = prompt.lengths.map((length, b) => {
      const row = narrow(prompt.embeds, 0, b, b + 1)
      const end = row.shape[1]
      const parts = [narrow(row, 1, 0, length), narrow(answer, 0, b, b + 1), narrow(row, 1, length, end)]
      return concat(
        parts.filter((part) => part.shape[1] > 0),
        1,
      )
    })
    const masks = prompt.lengths.map((length, b) => [
      ...Array<number>(length).fill(1),
      ...answerMask[b]!,
      ...Array<number>(prompt.embeds.shape[1] - length).fill(0),
    ])
    return { embeds: concat(rows, 0), mask: tensor(masks.flat(), [masks.length, masks[0]!.length], 'int32') }
  }

  /** Rows of ids of one length -> (B, T, C) */
  private embed(ids: number[][]): Tensor3D {
    return this.llama_model.model.embed_tokens.forward(tensor(ids.flat(), [ids.length, ids[0]!.length], 'int32'))
  }
}

/** Each prompt has its images, none is left over. */
function checkBatch(prompts: readonly string[], image: Tensor | undefined, counts?: readonly number[]): void {
  const B = prompts.length
  if (B === 0) throw new ConfigError('minigpt4-prompt', 'MiniGPT4: wanted one prompt or more, got none.')
  if (image && image.shape[0] !== B) {
    throw new ShapeError(
      'minigpt4-images',
      `MiniGPT4: wanted the images of ${B} prompts, (${B}, 3, h, w) or (${B}, n, 3, h, w), got [${image.shape}]; ` +
        'ask without images in a batch of its own.',
    )
  }
  if (counts && counts.length !== B) {
    throw new ShapeError('minigpt4-images', `MiniGPT4: wanted a length for each of ${B} prompts, got ${counts.length}.`)
  }
}

/** Rows (1, T_b, C) as one batch, `padding(n)` filling the shorter ones at one side. */
function padRows(rows: Tensor3D[], side: 'left' | 'right', padding: (n: number) => Tensor3D): Embedded {
  const lengths = rows.map((row) => row.shape[1])
  const T = Math.max(...lengths)
  const filled = rows.map((row) => {
    const missing = T - row.shape[1]
    if (missing === 0) return row
    return concat(side === 'left' ? [padding(missing), row] : [row, padding(missing)], 1)
  })
  const mask = lengths.map((length) => {
    const ones = Array<number>(length).fill(1)
    const blank = Array<number>(T - length).fill(0)
    return side === 'left' ? [...blank, ...ones] : [...ones, ...blank]
  })
  return { embeds: concat(filled, 0), mask: tensor(mask.flat(), [rows.length, T], 'int32'), lengths }
}
