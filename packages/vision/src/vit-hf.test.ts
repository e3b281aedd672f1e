import { add, cpu, init, narrow, type Parameter, Rng, type Tensor4D, tidy, useBackend, zeros } from '@filature/tensor'
import { expectClose, randomTensor } from '@filature/testing'
import { beforeAll, expect, it } from 'vitest'
import { EvaViT, HuggingFaceViT, ViTForImageClassification } from './index.ts'

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
  expect(() => new HuggingFaceViT({ hidden_size: 25 })).toThrow(/must divide by num_attention_heads/)
})
