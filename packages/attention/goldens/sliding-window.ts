import { adapter, type Golden } from '@filature/goldens'
import {
  cast,
  greaterEqual,
  type Tensor,
  type Tensor2D,
  type Tensor3D,
  type Tensor4D,
  tidy,
  transpose,
} from '@filature/tensor'
import {
  LongformerSelfAttention,
  type SlidingWindowOptions,
  slidingWindowAttention,
  slidingWindowKeep,
} from '../src/index.ts'

/** Positions of the numbers that pass, for each row of a (B, T) tensor of the file. */
function positionsOf(golden: Golden, fullName: string, passes: (value: number) => boolean): number[][] {
  const { shape, data } = golden.read(fullName)
  const [B, T] = shape as [number, number]
  return Array.from({ length: B }, (_, b) =>
    Array.from({ length: T }, (_, t) => t).filter((t) => passes(data[b * T + t]!)),
  )
}

const headsLast = (x: Tensor) => transpose(x, [0, 2, 1, 3]) as Tensor4D

function variants(golden: Golden): Record<string, SlidingWindowOptions> {
  const plain = { window: golden.config.one_sided_window as number, keep: golden.input<Tensor2D>('key_keep') }
  const global = { positions: positionsOf(golden, 'inputs.is_global', (x) => x !== 0) }
  return {
    symmetric: plain,
    causal: { ...plain, causal: true },
    dilated: { ...plain, dilation: golden.config.dilation as number },
    symmetric_global: { ...plain, global },
    causal_global: { ...plain, causal: true, global },
  }
}

export const slidingWindow = adapter({
  cases: ['sliding_window_attention'],
  run: async (golden) => {
    const [q, k, v] = ['q', 'k', 'v'].map((name) => headsLast(golden.input(name))) as [Tensor4D, Tensor4D, Tensor4D]
    const [B, T] = q.shape
    tidy(() => {
      for (const [name, options] of Object.entries(variants(golden))) {
        golden.expect(name, { keep: cast(slidingWindowKeep(B, T, options), 'int32') })
        const pattern = (attn: Tensor4D) => {
          golden.expect(name, { attn })
          return attn
        }
        golden.expect(name, { out: headsLast(slidingWindowAttention(q, k, v, { ...options, pattern })) })
      }
    })
    await golden.differentiate({
      forward: () => {
        const [q, k, v] = ['q', 'k', 'v'].map((name) => headsLast(golden.input(name))) as [Tensor4D, Tensor4D, Tensor4D]
        return Object.fromEntries(
          Object.entries(variants(golden)).map(([name, options]) => [
            name,
            { out: headsLast(slidingWindowAttention(q, k, v, options)) },
          ]),
        )
      },
    })
  },
})

export const longformer = adapter({
  cases: ['longformer_self_attention'],
  model: ({ config }) => new LongformerSelfAttention({ ...config, attention_window: config.attention_window[0] }),
  run: (golden, model) => {
    const global = positionsOf(golden, 'inputs.const_attention_mask', (x) => x > 0)
    const keep = () => cast(greaterEqual(golden.input<Tensor2D>('const_attention_mask'), 0), 'float32')
    return golden.differentiate({
      model,
      forward: () => ({ out: model.forward(golden.input<Tensor3D>('hidden_states'), { keep: keep(), global }) }),
    })
  },
})
