import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { load, openCheckpoint, openPretrained, toFloat32 } from '@filature/checkpoint'
import {
  add,
  capture,
  cpu,
  init,
  narrow,
  type Parameter,
  Rng,
  reshape,
  type Tensor4D,
  tensor,
  tidy,
  useBackend,
  valueAndGrads,
  zeros,
} from '@filature/tensor'
import { expectClose, forEachBackend, randomTensor } from '@filature/testing'
import { beforeAll, expect, it } from 'vitest'
import { EvaViT, HuggingFaceViT, ViTForImageClassification, vitConfig } from './index.ts'

beforeAll(async () => {
  await useBackend(cpu())
})

it('computes what EVA-ViT computes when it holds the same numbers', async () => {
  const eva = init(
    new EvaViT({ img_size: 16, patch_size: 8, embed_dim: 16, depth: 2, num_heads: 4, mlp_ratio: 2, qkv_bias: true }),
    new Rng(3),
  )
  const vit = init(
    new HuggingFaceViT({
      image_size: 16,
      patch_size: 8,
      hidden_size: 16,
      num_hidden_layers: 2,
      num_attention_heads: 4,
      intermediate_size: 32,
      layer_norm_eps: 1e-6,
    }),
    new Rng(4),
  )
  const move = (from: Parameter, to: Parameter) => to.assign(from.value)
  tidy(() => {
    // biases start at zero: give them values, so that their places are tested
    const perturb = (p: Parameter, name: string) => p.assign(add(p.value, randomTensor(name, p.shape)))
    move(eva.cls_token, vit.embeddings.cls_token)
    move(eva.pos_embed!, vit.embeddings.position_embeddings)
    move(eva.patch_embed.proj.weight, vit.embeddings.patch_embeddings.projection.weight)
    move(eva.patch_embed.proj.bias!, vit.embeddings.patch_embeddings.projection.bias!)
    eva.blocks.forEach((block, i) => {
      const layer = vit.encoder.layer[i]!
      const { query, key, value } = layer.attention.attention
      perturb(block.attn.q_bias!, `q${i}`)
      perturb(block.attn.v_bias!, `v${i}`)
      ;[query, key, value].forEach((linear, n) => {
        linear.weight.assign(narrow(block.attn.qkv.weight.value, 0, 16 * n, 16 * n + 16))
      })
      move(block.attn.q_bias!, query.bias!)
      key.bias!.assign(zeros([16]))
      move(block.attn.v_bias!, value.bias!)
      for (const [from, to] of [
        [block.attn.proj, layer.attention.output.dense],
        [block.mlp.fc1, layer.intermediate.dense],
        [block.mlp.fc2, layer.output.dense],
      ] as const) {
        perturb(from.bias!, `bias of ${from.weight.shape} ${i}`)
        move(from.weight, to.weight)
        move(from.bias!, to.bias!)
      }
    })
  })
  const image = randomTensor('image', [2, 3, 16, 16]) as Tensor4D
  await expectClose(vit.forward(image), vit.layernorm.forward(eva.forward(image)), { atol: 1e-5 })
})

// Written by transformers 5.18: a small ViTForImageClassification, pictures with labels, and what it makes of them.
const folder = fileURLToPath(new URL('./__fixtures__/hugging-face-vit/', import.meta.url))
await forEachBackend(
  (backend) => {
    it(`gives the scores, states and gradients of transformers, on ${backend}`, async () => {
      await using files = await openPretrained(folder)
      using model = new ViTForImageClassification(vitConfig(files.config))
      await load(model, files.checkpoint)
      await using expected = await openCheckpoint(join(folder, 'expected.safetensors'))
      const read = async (name: string) =>
        tensor(toFloat32(await expected.read(name), name), [...expected.info(name).shape] as [number])
      const image = (await read('pixel_values')) as unknown as Tensor4D
      const labels = tensor(Int32Array.from(await expected.read('labels'), Number), [2], 'int32')
      using seen = capture(model, '**.layer.*.out', () => model.forward(image))
      await expectClose(seen.output, await read('logits'), { atol: 2e-5 })
      for (const [i, states] of [...seen.activations.values()].entries()) {
        await expectClose(states, await read(`hidden_states.${i + 1}`), { atol: 2e-5 })
      }
      const { value, grads } = valueAndGrads(model, () => model.loss(image, labels))
      await expectClose(value, reshape(await read('loss'), []), { atol: 1e-5 })
      expect([...grads.keys()].map((path) => `grads.${path}`).sort()).toEqual(
        expected
          .names()
          .filter((name) => name.startsWith('grads.'))
          .sort(),
      )
      for (const [path, gradient] of grads)
        await expectClose(gradient, await read(`grads.${path}`), { atol: 2e-5 }, path)
    })
  },
  ['cpu', 'wasm', 'native'],
)

it("reads a hub's configuration, and refuses what it does not know", () => {
  const json = {
    model_type: 'vit',
    hidden_size: 24,
    num_attention_heads: 2,
    pooler_output_size: 24,
    encoder_stride: 16,
  }
  expect(vitConfig(json)).toEqual({ hidden_size: 24, num_attention_heads: 2 })
  expect(() => vitConfig({ ...json, use_mask_token: true })).toThrow(/use_mask_token: true/)
  expect(() => vitConfig({ ...json, model_type: 'deit' })).toThrow(/model_type: "deit"/)
  expect(() => vitConfig({ ...json, pooler_output_size: 12 })).toThrow(/pooler_output_size: 12/)
  expect(() => vitConfig({ ...json, pooler_act: 'relu' })).toThrow(/pooler_act: "relu"/)
})

it('takes its classes from the configuration', () => {
  const model = new ViTForImageClassification({
    image_size: 32,
    hidden_size: 24,
    num_attention_heads: 2,
    num_hidden_layers: 1,
    id2label: { 0: 'cat', 1: 'dog' },
  })
  expect(model.classifier.weight.shape).toEqual([2, 24])
  expect(() => new ViTForImageClassification({})).toThrow(/num_labels or id2label/)
  // transformers writes no labels where they are its default two
  const saved = { architectures: ['ViTForImageClassification'], hidden_size: 24, num_attention_heads: 2 }
  expect(vitConfig(saved).num_labels).toBe(2)
  expect(vitConfig({ ...saved, id2label: { 0: 'a', 1: 'b', 2: 'c' } }).num_labels).toBeUndefined()
  expect(vitConfig({ ...saved, architectures: ['ViTModel'] }).num_labels).toBeUndefined()
  expect(() => new HuggingFaceViT({ hidden_size: 25 })).toThrow(/must divide by num_attention_heads/)
})
