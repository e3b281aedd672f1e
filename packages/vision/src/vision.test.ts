import { load, openCheckpoint, saveToBytes } from '@filature/checkpoint'
import {
  cpu,
  Dialect,
  init,
  Module,
  mean,
  parameterCount,
  Rng,
  type Scalar,
  square,
  stateOf,
  type Tensor3D,
  type Tensor4D,
  tidy,
  training,
  useBackend,
  valueAndGrads,
} from '@filature/tensor'
import { expectClose, expectNoLeak, randomTensor } from '@filature/testing'
import { beforeAll, describe, expect, it } from 'vitest'
import {
  EvaViT,
  type EvaViTConfig,
  evaViTG,
  HuggingFaceViT,
  interpolatedPositions,
  interpolatePositions,
  preprocess,
  resize,
  ViT,
  type ViTConfig,
} from './index.ts'

const vit: ViTConfig = {
  image_size: 16,
  patch_size: 8,
  num_classes: 3,
  dim: 16,
  depth: 2,
  heads: 2,
  mlp_dim: 24,
  dim_head: 8,
}
const eva: EvaViTConfig = { img_size: 16, patch_size: 8, embed_dim: 16, depth: 3, num_heads: 2, qkv_bias: true }
const huggingFace = { image_size: 16, patch_size: 8, hidden_size: 16, num_hidden_layers: 1, num_attention_heads: 2 }
const image = () => randomTensor('image', [2, 3, 16, 16]) as Tensor4D

beforeAll(async () => {
  await useBackend(cpu())
})

describe('ViT', () => {
  it('refuses sizes that do not divide, unknown pooling and other images', () => {
    expect(() => new ViT({ ...vit, image_size: 17 })).toThrow(/17 x 17 must divide into patches of 8 x 8/)
    expect(() => new ViT({ ...vit, pool: 'max' as never })).toThrow(/'cls' or 'mean', got 'max'/)
    expect(() => new ViT({ ...vit, patch_size: [8, 5] })).toThrow(/must divide into patches of 8 x 5/)
    expect(() => new ViT({ ...vit, image_size: 0 })).toThrow(/whole numbers from 1 as sides/)
    expect(() => new ViT({ ...vit, layout: 'newest' as never })).toThrow(/'prenorm', got 'newest'/)
    expect(() => new EvaViT({ ...eva, img_size: [16, 20] })).toThrow(/16 x 20 must divide into patches of 8 x 8/)
    expect(() => new HuggingFaceViT({ image_size: 30 })).toThrow(/must divide into patches/)
    const model = init(new ViT(vit), new Rng(0))
    expect(() => model.forward(randomTensor('wide', [1, 3, 16, 24]) as Tensor4D)).toThrow(/resize it first/)
    const others = [init(new EvaViT(eva), new Rng(0)), init(new HuggingFaceViT(huggingFace), new Rng(0))]
    for (const other of others) {
      for (const shape of [
        [1, 3, 16, 24],
        [1, 3, 8, 32],
        [1, 1, 16, 16],
      ]) {
        expect(() => other.forward(randomTensor('other', shape) as Tensor4D)).toThrow(/wanted images \(B, 3, 16, 16\)/)
      }
    }
  })

  it('drops with the same draws for the same step, and not outside training', async () => {
    const model = init(new ViT({ ...vit, dropout: 0.4, emb_dropout: 0.4 }), new Rng(0))
    const step = (n: number) => training(model, new Rng(1).fork(n), () => model.forward(image()))
    await expectClose(step(1), step(1), { atol: 0 })
    await expect(expectClose(step(2), step(1), { atol: 1e-3 })).rejects.toThrow()
    await expectClose(model.forward(image()), init(new ViT(vit), new Rng(0)).forward(image()), { atol: 0 })
  })

  it('leaves nothing behind', async () => {
    const model = init(new ViT(vit), new Rng(0))
    await expectNoLeak(() => tidy(() => void valueAndGrads(model, () => mean<Scalar>(square(model.forward(image()))))))
  })
})

describe('EvaViT', () => {
  it('describes EVA-ViT-g with its published blocks, names and parameters', () => {
    const g = new EvaViT(evaViTG)
    const [C, F] = [1408, Math.floor(1408 * 4.3637)]
    const block = 4 * C + (3 * C * C + 2 * C) + (C * C + C) + (C * F + F) + (F * C + C)
    expect(parameterCount(g)).toBe(39 * block + (C * 3 * 14 * 14 + C) + C + 257 * C)
    expect(stateOf(g).get('blocks.38.mlp.fc1.weight')!.shape).toEqual([6144, 1408])
    expect(stateOf(g).has('blocks.39.norm1.weight')).toBe(false)
    expect(g.blocks.map((b) => b.drop_path.rate).at(-1)).toBeCloseTo(0.4)
    expect(g.blocks[0]!.drop_path.rate).toBe(0)
  })

  it('recomputes blocks to the same gradients under the same stochastic depth', async () => {
    const run = (use_checkpoint: boolean) => {
      const options = { ...eva, use_checkpoint, drop_path_rate: 0.5, use_shared_rel_pos_bias: true }
      const model = init(new EvaViT(options), new Rng(0))
      return tidy(() => {
        const loss = () => mean<Scalar>(square(model.forward(image())))
        const { grads } = training(model, new Rng(4), () => valueAndGrads(model, loss))
        return [...grads].map(([path, g]) => [path, Array.from(g.dataSync())] as const)
      })
    }
    const again = new Map(run(true))
    for (const [path, gradient] of run(false)) await expectClose(again.get(path)!, gradient, { atol: 1e-7 })
  })

  it('drops whole samples of a branch', async () => {
    const model = init(new EvaViT({ ...eva, drop_path_rate: 1 }), new Rng(0))
    // the last block's branches are always dropped: it passes its input on
    const short = init(new EvaViT({ ...eva, depth: 3, drop_path_rate: 0 }), new Rng(0))
    const trained = training(model, new Rng(2), () =>
      model.blocks[2]!.forward(randomTensor('x', [2, 5, 16]) as Tensor3D),
    )
    await expectClose(trained, randomTensor('x', [2, 5, 16]), { atol: 0 })
    await expectClose(model.forward(image()), short.forward(image()), { atol: 0 })
  })

  it('starts from the published distributions', () => {
    const model = init(new EvaViT({ ...eva, embed_dim: 96, depth: 8, init_values: 0.1 }), new Rng(0))
    const spread = (x: { dataSync(): ArrayLike<number> }) =>
      Math.sqrt(Array.from(x.dataSync(), (v) => v * v).reduce((a, b) => a + b) / x.dataSync().length)
    const last = model.blocks[7]!
    expect(spread(last.attn.qkv.weight.value)).toBeCloseTo(0.02, 3)
    // residual projections are divided by sqrt(2 layer)
    expect(spread(last.mlp.fc2.weight.value)).toBeCloseTo(0.02 / 4, 3)
    expect(spread(last.gamma_1!.value)).toBeCloseTo(0.1, 6)
    expect(spread(last.attn.q_bias!.value)).toBe(0)
  })

  it('starts wider where asked: init_std scales what is drawn', () => {
    const usual = stateOf(init(new EvaViT(eva), new Rng(0)))
    const wide = stateOf(init(new EvaViT({ ...eva, init_std: 0.2 }), new Rng(0)))
    for (const path of ['cls_token', 'pos_embed', 'blocks.1.attn.qkv.weight', 'blocks.2.mlp.fc2.weight']) {
      const [few, many] = [usual, wide].map((state) => state.get(path)!.value.dataSync())
      for (let i = 0; i < few!.length; i++) expect(many![i]!, path).toBeCloseTo(10 * few![i]!, 5)
    }
  })
})

describe('images', () => {
  it('keeps an image of the right size, and a constant image at any size', () => {
    const pixels = { width: 5, height: 4, channels: 1, data: Uint8Array.from({ length: 20 }, (_, i) => i * 12) }
    expect(resize(pixels, [4, 5])).toBe(pixels)
    const grey = { width: 5, height: 4, channels: 1, data: new Uint8Array(20).fill(77) }
    for (const size of [
      [2, 3],
      [9, 11],
      [1, 1],
    ] as const) {
      expect(new Set(resize(grey, size).data)).toEqual(new Set([77]))
    }
    expect(() => resize(grey, [0, 3])).toThrow(/height and width/)
    expect(() => resize(grey, [2.5, 3])).toThrow(/whole height and width of 1 or more, got \[2.5,3\]/)
    expect(() => resize(grey, [2, 3], 'lanczos' as never)).toThrow(/bicubic or bilinear, got 'lanczos'/)
    // an image of a canvas has four channels
    const opaque = { width: 2, height: 2, channels: 3, data: new Uint8Array(16) }
    expect(() => preprocess(opaque, { size: 4 })).toThrow(/got 2 x 2 x 3 and 16 bytes; are the channels/)
    expect(() => resize({ ...opaque, data: new Uint8Array(0), width: 0 }, [4, 4])).toThrow(/got 2 x 0 x 3/)
    expect(() => preprocess(grey, { size: 4 })).toThrow(/mean and std for each of 1 channels/)
  })

  it('interpolates positions of square grids only', () => {
    expect(() => interpolatePositions(randomTensor('p', [1, 8, 4]) as Tensor3D, 3)).toThrow(/square grid/)
    expect(interpolatePositions(randomTensor('p', [1, 10, 4]) as Tensor3D, 5).shape).toEqual([1, 26, 4])
  })

  it('brings the positions of a checkpoint to a larger grid as they are read', async () => {
    class Holder extends Module {
      readonly visual_encoder: EvaViT
      constructor(img_size: number) {
        super()
        this.visual_encoder = new EvaViT({ ...eva, img_size })
      }
    }
    const small = init(new Holder(24), new Rng(1)) // a grid of 3 x 3
    const large = new Holder(40)
    const dialect = new Dialect('larger', [interpolatedPositions(large.visual_encoder.grid[0])])
    for (const dtype of ['F32', 'F16'] as const) {
      await using checkpoint = await openCheckpoint(await saveToBytes(small, { dtype }))
      await expect(load(large, checkpoint)).rejects.toThrow(/visual_encoder.pos_embed/)
      await load(large, checkpoint, { dialect })
      const [before, after] = [small, large].map((it) => it.visual_encoder.pos_embed!.value as Tensor3D)
      await expectClose(after!, interpolatePositions(before!, 5), { atol: dtype === 'F32' ? 0 : 1e-4 })
      await expectClose(large.visual_encoder.cls_token.value, small.visual_encoder.cls_token.value, { atol: 1e-4 })
    }
    expect(large.visual_encoder.forward(randomTensor('large', [1, 3, 40, 40]) as Tensor4D).shape).toEqual([1, 26, 16])
    // the grid it has already is left as it is
    await using same = await openCheckpoint(await saveToBytes(large))
    const { pos_embed } = large.visual_encoder
    const again = new Holder(40)
    await load(again, same, { dialect })
    await expectClose(again.visual_encoder.pos_embed!.value, pos_embed!.value, { atol: 0 })
  })
})
