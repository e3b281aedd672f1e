import { init, Rng, type Tensor, type Tensor4D, tensor, tidy } from '@filature/tensor'
import type { Bench } from './bench.ts'
import { Bert, VisionModel } from './models.ts'

const perToken = (C: number, F: number, T: number) => 2 * (4 * C * C + 2 * C * F) + 4 * T * C

function forward(
  name: string,
  about: string,
  flops: number,
  make: () => Promise<{ run: () => Tensor; cleanUp: () => void }>,
): Bench {
  return {
    name,
    about,
    flops,
    setUp: async () => {
      const { run, cleanUp } = await make()
      return {
        run: async () => {
          const y = tidy(run)
          await y.data()
          y.dispose()
        },
        cleanUp,
      }
    },
  }
}

export const forwardPasses: Bench[] = [
  forward(
    'vit-b16',
    'ViT-B/16 forward on 224 x 224, batch 1',
    12 * 197 * perToken(768, 3072, 197) + 2 * 196 * 768 * 768,
    async () => {
      const rng = new Rng(1)
      const model = new VisionModel(224, 16, 3, 768, 12, 12, 3072, 0)
      init(model, rng)
      const image = tensor(Float32Array.from(rng.normal(3 * 224 * 224)), [1, 3, 224, 224]) as Tensor4D
      return {
        run: () => model.forward(image),
        cleanUp: () => {
          image.dispose()
          model[Symbol.dispose]()
        },
      }
    },
  ),
  forward(
    'bert-base-t128',
    'BERT-base encoder forward on 128 tokens, batch 1',
    12 * 128 * perToken(768, 3072, 128),
    async () => {
      const rng = new Rng(1)
      const model = new Bert()
      init(model, rng)
      const ids = tensor(
        Int32Array.from(rng.uniform(128), (u) => Math.floor(u * 30522)),
        [1, 128],
        'int32',
      )
      return {
        run: () => model.forward(ids),
        cleanUp: () => {
          ids.dispose()
          model[Symbol.dispose]()
        },
      }
    },
  ),
]
