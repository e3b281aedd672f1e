import { init, type Module, Rng, type Scalar, type Tensor, type Tensor4D, tensor, tidy } from '@filature/tensor'
import { Adagrad, Adam, AdamW, gradientStep, type Optimizer } from '@filature/train'
import type { Bench } from './bench.ts'
import { CharacterModel, GPT, VisionModel } from './models.ts'

/** FLOPs of a transformer's products forward: attention counted densely. */
const transformer = (tokens: number, C: number, F: number, T: number, L: number) =>
  L * tokens * (2 * (4 * C * C + 2 * C * F) + 4 * T * C)

const ids = (rng: Rng, shape: number[], V: number) => {
  const n = shape.reduce((a, b) => a * b, 1)
  return tensor(
    Int32Array.from(rng.uniform(n), (u) => Math.floor(u * V)),
    shape,
    'int32',
  )
}

interface Setting<M extends Module> {
  name: string
  about: string
  /** Forward; a step is three times it. */
  flops: number
  model: () => M
  inputs: (rng: Rng) => Tensor[]
  loss: (model: M, inputs: Tensor[]) => Scalar
  optimizer: (model: M) => Optimizer
}

/** Gradient and update on one fixed batch, float32, no dropout. */
function trainingStep<M extends Module>(it: Setting<M>): Bench {
  return {
    name: it.name,
    about: it.about,
    flops: 3 * it.flops,
    setUp: async () => {
      const rng = new Rng(1)
      const model = it.model()
      init(model, rng.fork('model'))
      const inputs = it.inputs(rng.fork('data'))
      const optimizer = it.optimizer(model)
      const loss = () => it.loss(model, inputs)
      const step = { model, loss, batches: [null], rng, optimizer, lr: undefined, clipping: null }
      return {
        run: () => {
          tidy(() => void gradientStep(step).loss.dispose())
        },
        cleanUp: () => {
          for (const x of inputs) x.dispose()
          optimizer[Symbol.dispose]()
          model[Symbol.dispose]()
        },
      }
    },
  }
}

const gpt = (B: number) =>
  trainingStep({
    name: `gpt-b${B}`,
    about: `training step of a GPT: 6 layers, 384 wide, 6 heads, context 256, batch ${B}, AdamW`,
    flops: transformer(B * 256, 384, 1536, 256, 6) + 2 * B * 256 * 384 * 65,
    model: () => new GPT(),
    inputs: (rng) => [ids(rng, [B, 256], 65), ids(rng, [B * 256], 65)],
    loss: (model, [x, y]) => model.loss(x!, y!),
    optimizer: (model) => new AdamW(model, { lr: 1e-4 }),
  })

const character = (mode: 'tanh' | 'lstm' | 'gru', H: number, T: number, B: number) => {
  const gates = { tanh: 1, gru: 3, lstm: 4 }[mode]
  return trainingStep({
    name: `${mode === 'tanh' ? 'rnn' : mode}-h${H}-t${T}-b${B}`,
    about: `training step on characters: ${H} units, ${T} steps, batch ${B}, ${H === 100 ? 'Adagrad' : 'Adam'}`,
    flops: 2 * B * T * (gates * (65 * H + H * H) + H * 65),
    model: () => new CharacterModel(mode, H),
    inputs: (rng) => [ids(rng, [T, B], 65), ids(rng, [T * B], 65)],
    loss: (model, [x, y]) => model.loss(x!, y!),
    optimizer: (model) => (H === 100 ? new Adagrad(model, { lr: 0.1 }) : new Adam(model, { lr: 1e-3 })),
  })
}

const vision = (
  name: string,
  about: string,
  B: number,
  size: [number, number, number, number, number, number, number, number],
) => {
  const [image, patch, channels, C, L, , F, classes] = size
  const tokens = (image / patch) ** 2 + 1
  return trainingStep({
    name,
    about: `training step of ${about}, batch ${B}, AdamW`,
    flops: transformer(B * tokens, C, F, tokens, L) + 2 * B * ((tokens - 1) * C * channels * patch ** 2 + C * classes),
    model: () => new VisionModel(...size),
    inputs: (rng) => [
      tensor(Float32Array.from(rng.normal(B * channels * image * image)), [B, channels, image, image]),
      ids(rng, [B], classes),
    ],
    loss: (model, [x, y]) => model.loss(x as Tensor4D, y!),
    optimizer: (model) => new AdamW(model, { lr: 1e-4 }),
  })
}

export const trainingSteps: Bench[] = [
  gpt(8),
  gpt(1),
  character('lstm', 512, 64, 32),
  character('gru', 512, 64, 32),
  character('tanh', 512, 64, 32),
  character('tanh', 100, 25, 1),
  character('tanh', 100, 25, 32),
  vision('vit28-b64', 'a ViT on 28 x 28, patch 4, 64 wide, 6 layers', 64, [28, 4, 1, 64, 6, 4, 256, 10]),
  vision('vitt-b8', 'ViT-tiny on 224 x 224', 8, [224, 16, 3, 192, 12, 3, 768, 1000]),
]
