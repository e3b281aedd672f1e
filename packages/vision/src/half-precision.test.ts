import { Bf16Store, init, type Parameter, parametersOf, Rng, type Tensor4D } from '@filature/tensor'
import { expectClose, forEachBackend, randomTensor } from '@filature/testing'
import { expect, it } from 'vitest'
import { EvaViT, halfPrecision } from './index.ts'

const config = { img_size: 16, patch_size: 8, embed_dim: 16, depth: 2, num_heads: 2, qkv_bias: true }

it('halves convolutions and linear layers only', () => {
  const model = new EvaViT({ ...config, use_rel_pos_bias: true, init_values: 0.1 })
  const dtype = halfPrecision(model)
  const halved = [...parametersOf(model).keys()].filter((path) => dtype(path) === 'bf16')
  const block = (i: number) =>
    ['attn.qkv.weight', 'attn.proj.weight', 'mlp.fc1.weight', 'mlp.fc2.weight'].map((name) => `blocks.${i}.${name}`)
  expect(halved.sort()).toEqual(['patch_embed.proj.weight', ...block(0), ...block(1)].sort())
})

await forEachBackend((name) => {
  it(`gives nearly the same in half the bytes, on ${name}`, async () => {
    const model = init(new EvaViT(config), new Rng(1))
    const image = randomTensor('image', [1, 3, 16, 16]) as Tensor4D
    const whole = model.forward(image)
    const dtype = halfPrecision(model)
    const bytes = () => [...parametersOf(model).values()].reduce((sum, it: Parameter) => sum + it.store.bytes, 0)
    const before = bytes()
    for (const [path, parameter] of parametersOf(model)) {
      if (dtype(path) !== 'bf16') continue
      parameter.setStore(Bf16Store.from((await parameter.value.data()) as Float32Array, parameter.shape))
    }
    expect(bytes() / before).toBeLessThan(0.65)
    await expectClose(model.forward(image), whole, { atol: 0, rtol: 0.02 })
    model[Symbol.dispose]()
  })
})
