import { adapter, type Golden } from '@filature/goldens'
import { capture, mean, type Tensor, type Tensor3D, type Tensor4D, tidy, transpose } from '@filature/tensor'
import {
  causalBias,
  fourAxes,
  MultiheadAttention,
  maskBias,
  paddingBias,
  type ScaledDotProductOptions,
  scaledDotProduct,
} from '../src/index.ts'

interface Config {
  embed_dim: number
  num_heads: number
  kdim?: number
  vdim?: number
  bias?: boolean
  batch_first: boolean
  add_bias_kv?: boolean
  add_zero_attn?: boolean
}

export const multihead = adapter({
  cases: /^mha_/,
  model: ({ config }: { config: Config }) =>
    new MultiheadAttention(config.embed_dim, config.num_heads, {
      bias: config.bias ?? true,
      addBiasKv: config.add_bias_kv ?? false,
      addZeroAttn: config.add_zero_attn ?? false,
      batchFirst: config.batch_first,
      ...(config.kdim ? { kdim: config.kdim } : {}),
      ...(config.vdim ? { vdim: config.vdim } : {}),
    }),
  run: async (golden, model) => {
    const query = golden.input<Tensor3D>('query')
    const key = golden.optionalInput<Tensor3D>('key') ?? query
    const value = golden.optionalInput<Tensor3D>('value') ?? query
    const inputs = {
      keyPaddingMask: golden.optionalInput('key_padding_mask'),
      attnMask: golden.optionalInput('attn_mask') ?? golden.optionalInput('const_attn_mask'),
    }
    tidy(() => {
      using seen = capture(model, 'pattern', () => model.forward(query, key, value, inputs))
      const pattern = seen.activations.get('pattern')!
      golden.expect('out', seen.output)
      golden.expect('attn_per_head', pattern)
      golden.expect('attn_mean', mean(pattern, 1))
    })
    await golden.differentiate({ model, forward: () => ({ out: model.forward(query, key, value, inputs) }) })
  },
})

const headsLast = (x: Tensor) => transpose(x, [0, 2, 1, 3]) as Tensor4D // (B, H, T, D) <-> (B, T, H, D)

/** The variants of the case, by name. */
function variants(golden: Golden): Record<string, ScaledDotProductOptions> {
  return {
    plain: {},
    bool: { bias: maskBias(golden.input('bool_keep')) },
    padding: { bias: paddingBias(golden.input('key_padding_keep')) },
    additive: { bias: fourAxes(golden.input('const_additive_mask')) },
    causal: { bias: causalBias(4, 6, { offset: 0 }) },
    causal_end_aligned: { causal: true },
  }
}

export const scaledDotProducts = adapter({
  cases: ['scaled_dot_product_attention'],
  run: async (golden) => {
    const [q, k, v] = ['q', 'k', 'v'].map((name) => golden.input<Tensor4D>(name)) as [Tensor4D, Tensor4D, Tensor4D]
    const run = (options: ScaledDotProductOptions) =>
      headsLast(scaledDotProduct(headsLast(q), headsLast(k), headsLast(v), options))
    tidy(() => {
      for (const [name, options] of Object.entries(variants(golden))) {
        const pattern = (attn: Tensor4D) => {
          golden.expect(name, { attn })
          return attn
        }
        golden.expect(name, { out: run({ ...options, onPattern: pattern }) })
      }
    })
    await golden.differentiate({
      forward: () =>
        Object.fromEntries(Object.entries(variants(golden)).map(([name, options]) => [name, { out: run(options) }])),
    })
  },
})
