import { adapter } from '@filature/goldens'
import { capture, squeeze, type Tensor, type Tensor3D } from '@filature/tensor'
import { EvaViT, type Image, interpolatePositions, preprocess, resize, ViT, type ViTConfig } from '../src/index.ts'

/** The layouts that the references of these cases have. */
const layoutOf = (name: string): ViTConfig['layout'] =>
  name.includes('prenorm') ? 'prenorm' : name.includes('old') ? 'batched' : 'current'

/** Activations in the order of their blocks. */
const inOrder = (activations: Map<string, Tensor>, end: string) =>
  [...activations].filter(([path]) => path.endsWith(end)).map(([, x]) => x)

export const adapters = [
  adapter({
    cases: /^vit_pytorch_/,
    model: ({ config, name }) => new ViT({ ...config, layout: layoutOf(name) }),
    run: async (golden, vit) => {
      await golden.differentiate({ model: vit, forward: () => ({ out: vit.forward(golden.input('image')) }) })
      using seen = capture(vit, /pattern$|out$|patch_embedding$/, () => vit.forward(golden.input('image')))
      golden.expect('attn', inOrder(seen.activations, '.pattern'))
      golden.expect('ff_out', inOrder(seen.activations, '.out'))
      golden.expect('patch_embedding', seen.activations.get('patch_embedding')!)
      golden.expect('transformer_out', seen.activations.get('transformer_out')!)
    },
  }),
  adapter({
    cases: ['eva_vit_base', 'eva_vit_all_options', 'eva_vit_block_rpb_rect', 'eva_vit_shared_rpb'],
    model: ({ config }) => new EvaViT(config),
    run: async (golden, eva) => {
      await golden.differentiate({ model: eva, forward: () => ({ out: eva.forward(golden.input('image')) }) })
      using seen = capture(eva, ['**.pattern', 'blocks.*.out', 'patch_embedding', 'shared_bias'], () =>
        eva.forward(golden.input('image')),
      )
      golden.expect('attn', inOrder(seen.activations, '.pattern'))
      golden.expect('intermediate', inOrder(seen.activations, '.out'))
      golden.expect('patch_embed', seen.activations.get('patch_embedding')!)
      const bias = seen.activations.get('shared_bias')
      if (bias) golden.expect('shared_rel_pos_bias', squeeze(bias, [0]))
    },
  }),
  adapter({
    cases: ['eva_interpolate_pos_embed'],
    run: (golden) => {
      golden.config.forEach(({ new_grid }: { new_grid: number }, i: number) => {
        golden.expect(`${i}.pos_embed`, interpolatePositions(golden.input<Tensor3D>(`${i}.pos_embed`), new_grid))
      })
    },
  }),
  adapter({
    cases: ['image_preprocess'],
    run: (golden) => {
      const { shape, data } = golden.read('inputs.image_u8_hwc')
      const [height, width, channels] = shape as [number, number, number]
      const image: Image = { height, width, channels, data: Uint8Array.from(data) }
      const { sizes_hw, mean, std } = golden.config as { sizes_hw: [number, number][]; mean: number[]; std: number[] }
      sizes_hw.forEach((size, i) => {
        const outputs = (filter: 'bicubic' | 'bilinear') => ({
          shape: [...size, channels],
          data: resize(image, size, filter).data,
        })
        golden.expect(`${i}.resized_u8_hwc`, outputs('bicubic'))
        golden.expect(`${i}.resized_bilinear_u8_hwc`, outputs('bilinear'))
        golden.expect(`${i}.pixel_values`, preprocess(image, { size, mean, std }))
      })
    },
  }),
]
