import { crossEntropy, tensor, tidy } from '@filature/tensor'
import type { ViT } from '@filature/vision'
import { gather, imageTensor } from './batches.ts'
import { type Confusion, confusionOf } from './confusion.ts'
import type { LabelledImages } from './idx.ts'

const BATCH = 250

export interface Evaluation {
  /** Mean cross-entropy in nats. */
  readonly loss: number
  readonly accuracy: number
  readonly confusion: Confusion
}

/** What the model says of all images, unaltered. */
export async function evaluateVit(model: ViT, images: LabelledImages): Promise<Evaluation> {
  const predicted = new Uint8Array(images.count)
  let classes = 0
  let total = 0
  for (let from = 0; from < images.count; from += BATCH) {
    const count = Math.min(BATCH, images.count - from)
    const batch = gather(
      images,
      Int32Array.from({ length: count }, (_, i) => from + i),
    )
    const { logits, loss } = tidy(() => {
      const scores = model.forward(imageTensor(batch)) // (B, classes)
      return { logits: scores, loss: crossEntropy(scores, tensor(batch.labels, [count], 'int32')) }
    })
    const scores = await logits.data()
    total += (await loss.data())[0]! * count
    classes = logits.shape[1]!
    for (let i = 0; i < count; i++) {
      let best = 0
      for (let j = 1; j < classes; j++) if (scores[i * classes + j]! > scores[i * classes + best]!) best = j
      predicted[from + i] = best
    }
    logits.dispose()
    loss.dispose()
  }
  const confusion = confusionOf(images.labels, predicted, classes)
  const right = confusion.reduce((sum, row, i) => sum + row[i]!, 0)
  return { loss: total / images.count, accuracy: right / images.count, confusion }
}
