import { MiniGPT4, type MiniGPT4Options, type MiniGPT4Parts } from '@filature/minigpt4'
import {
  add,
  crossEntropy,
  div,
  Linear,
  matMul,
  mean,
  mul,
  narrow,
  observe,
  reshape,
  rsqrt,
  type Scalar,
  softCrossEntropy,
  square,
  sum,
  type Tensor,
  type Tensor2D,
  type Tensor3D,
  tensor,
} from '@filature/tensor'
import { type CaptionBatch, imageTensor } from './batches.ts'
import { type Emoji, SIDE } from './emoji.ts'

/** The words of names and kinds, each once. */
export const wordsOf = (emoji: readonly Emoji[]): string[] => [...new Set(emoji.flatMap(wordsOfOne))]

const wordsOfOne = ({ name, kind }: Emoji): string[] => [...new Set(`${name} ${kind}`.split(/[ ,]+/))]

/** How much the words, and telling drawings apart, count beside the answers. */
const WORDS = 0.5
const APART = 0.5
/** Width and temperature in which drawings are told apart. */
const MARK = 128
const TEMPERATURE = 0.2

/**
 * A MiniGPT-4 with heads that are gone after training. From scratch, answers alone teach it to write names without
 * looking: the picture reaches the language model through two networks that know nothing yet. So, as a Q-Former learns
 * from images and texts before it meets a language model (Li et al. 2023, BLIP-2, stage 1), what it makes of a picture
 * has to tell by itself the words of name and kind, and which of the others in the batch is the same emoji.
 */
export class CaptionLearner extends MiniGPT4 {
  readonly words_of_patches: Linear
  readonly mark_of_tokens: Linear
  readonly words_of_mark: Linear
  readonly #place: ReadonlyMap<string, number>

  constructor(parts: MiniGPT4Parts, options: MiniGPT4Options, words: readonly string[]) {
    super(parts, options)
    const C = parts.llama.config.hidden_size * parts.qformer!.config.query_length!
    this.words_of_patches = new Linear(parts.vision.numFeatures, words.length)
    this.mark_of_tokens = new Linear(C, MARK)
    this.words_of_mark = new Linear(MARK, words.length)
    this.#place = new Map(words.map((word, i) => [word, i]))
  }

  /** Mean loss of the answers' tokens, of the words, and of finding each picture's other. */
  learningLoss(batch: CaptionBatch): Scalar {
    const B = batch.emoji.length
    const seen = new Map<string, Tensor3D>()
    const see = (x: Tensor, path: string) => void seen.set(path, x as Tensor3D)
    const samples = {
      image: reshape(imageTensor(batch), [-1, 2, 3, SIDE, SIDE]),
      length: batch.answers.map(() => 1), // the answer is to the first of the two
      instruction_input: batch.questions,
      answer: batch.answers,
    }
    const answers = observe(this, { image_embeds: see, image_tokens: see }, () => this.loss(samples))
    const patches = mean<Tensor2D>(narrow(seen.get('image_embeds')!, 1, 1), 1) // (B, visionWidth), no class token
    const tokens = reshape(seen.get('image_tokens')!, [B, -1]) as Tensor2D // (B, Q width)
    const mark = this.mark_of_tokens.forward(tokens) // (B, MARK)
    const target = this.target(batch.emoji)
    const words = add(
      softCrossEntropy(this.words_of_patches.forward(patches), target) as Scalar,
      softCrossEntropy(this.words_of_mark.forward(mark), target) as Scalar,
    )
    return add(answers, add(mul(words, WORDS), mul(apart(mark), APART)))
  }

  /** Equal parts for the words of each. (B, words) */
  private target(emoji: readonly Emoji[]): Tensor2D {
    const count = this.#place.size
    const target = new Float32Array(emoji.length * count)
    emoji.forEach((one, b) => {
      const places = wordsOfOne(one).map((word) => this.#place.get(word)!)
      for (const place of places) target[b * count + place] = 1 / places.length
    })
    return tensor(target, [emoji.length, count]) as Tensor2D
  }
}

/**
 * Normalised temperature-scaled cross-entropy (Chen et al. 2020, eq. 1): each picture's other is its neighbour in the
 * pair. marks (B, MARK)
 */
function apart(marks: Tensor2D): Scalar {
  const unit = mul(marks, rsqrt(add(sum(square(marks), 1, true), 1e-6)))
  const B = marks.shape[0]
  const own = Float32Array.from({ length: B * B }, (_, i) => (i % (B + 1) === 0 ? -1e9 : 0))
  const alike = add(div(matMul(unit, unit, { transposeB: true }), TEMPERATURE), tensor(own, [B, B])) // (B, B)
  const other = Int32Array.from({ length: B }, (_, i) => i ^ 1)
  return crossEntropy(alike, tensor(other, [B], 'int32')) as Scalar
}

/** Paths of what only training needs. */
export const headsOfLearner = /^(words|mark)_of_/
