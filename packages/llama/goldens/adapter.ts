import { adapter, type Golden } from '@filature/goldens'
import {
  type Cache,
  type CausalInputs,
  capture,
  concat,
  crossEntropy,
  mul,
  narrow,
  range,
  reshape,
  type Scalar,
  sum,
  type Tensor,
  type Tensor1D,
  type Tensor2D,
  type Tensor3D,
  type Tensor4D,
  tensor,
  tidy,
  transpose,
} from '@filature/tensor'
import { compareGenerateCase } from '../../generation/goldens/generate-case.ts'
import { fromLlama2c, Llama, type LlamaConfig, metaDialect } from '../src/index.ts'

const configOf = ({ config }: Golden): LlamaConfig => config

const inputsOf = (golden: Golden): CausalInputs => ({
  ids: golden.optionalInput<Tensor2D>('input_ids'),
  embeds: golden.optionalInput<Tensor3D>('inputs_embeds'),
  attentionMask: golden.optionalInput<Tensor2D>('attention_mask'),
  positionIds: golden.optionalInput<Tensor2D>('position_ids'),
})

/** (B, S, G, D) as the reference lays caches out: (B, G, S, D) */
const heads = (x: Tensor) => transpose(x as Tensor4D, [0, 2, 1, 3])

const PAST = /self_attn\.[kv]$/

/** [key, value] of each layer, as seen last. */
function pastOf(activations: Map<string, Tensor>, use = (x: Tensor) => x): Tensor[][] {
  const last = new Map([...activations].map(([path, x]) => [path.split('#')[0]!, x]))
  const ending = (end: string) => [...last].filter(([path]) => path.endsWith(end)).map(([, x]) => use(heads(x)))
  const values = ending('.v')
  return ending('.k').map((k, i) => [k, values[i]!])
}

export const adapters = [
  adapter({
    cases: [
      'llama_base',
      'llama_gqa',
      'llama_pretraining_tp2',
      'llama_rope_dynamic',
      'llama_rope_linear',
      'llama_embeds_reduction_none',
    ],
    model: (golden) => new Llama(configOf(golden)),
    run: async (golden, model) => {
      const inputs = inputsOf(golden)
      const labels = golden.input<Tensor2D>('labels')
      const weighted = golden.name === 'llama_embeds_reduction_none'
      await golden.differentiate({
        model,
        forward: () => ({
          logits: model.logits(inputs),
          loss_mean: model.loss(inputs, labels),
          loss_none: model.loss(inputs, labels, { reduction: 'none' }),
        }),
        loss: ({ loss_mean, loss_none }: { loss_mean: Scalar; loss_none: Tensor1D }) =>
          weighted ? (sum(mul(loss_none, range(1, loss_none.size + 1, 1, 'float32'))) as Scalar) : loss_mean,
      })
      using seen = capture(model, ['**.pattern', '**.out', '**.embeddings', PAST], () =>
        tidy(() => model.model.forward(inputs)),
      )
      const ending = (end: string) => [...seen.activations].filter(([path]) => path.endsWith(end)).map(([, x]) => x)
      tidy(() => {
        golden.expect('attentions', ending('.pattern'))
        golden.expect('hidden_states', [...ending('.embeddings'), ...ending('.out').slice(0, -1), seen.output])
        golden.expect('past_key_values', pastOf(seen.activations))
      })
    },
  }),
  adapter({
    cases: ['llama_left_padding'],
    model: (golden) => new Llama(configOf(golden)),
    run: async (golden, model) => {
      const inputs = inputsOf(golden)
      const kept = inputs.attentionMask!
      const masked = (logits: Tensor3D) => mul(logits, reshape(kept, [...kept.shape, 1] as [number, number, number]))
      await golden.differentiate({ model, forward: () => ({ logits_masked: masked(model.logits(inputs)) }) })
      tidy(() => {
        golden.expect('logits_masked_default_positions', masked(model.logits({ ...inputs, positionIds: undefined })))
      })
    },
  }),
  adapter({
    cases: ['llama_incremental', 'llama_gqa_incremental'],
    model: (golden) => new Llama(configOf(golden)),
    run: async (golden, model) => {
      const ids = golden.input<Tensor2D>('input_ids')
      const [B, T] = ids.shape
      const chunk: number = golden.config.chunk
      const decode = (ends: number[], prepare: (cache: Cache) => void = () => {}) => {
        using cache = model.newCache(B, T + 1)
        const logits = ends.map((end, i) => {
          if (i === ends.length - 1) prepare(cache)
          return model.logits({ ids: narrow(ids, 1, ends[i - 1] ?? 0, end), cache })
        })
        return concat(logits, 1)
      }
      const everyToken = Array.from({ length: T }, (_, i) => i + 1)
      await golden.differentiate({ model, forward: () => ({ step_logits: decode(everyToken) }) })
      tidy(() => {
        golden.expect('chunk_logits', decode([chunk, T]))
        golden.expect('full_logits', model.logits({ ids }))
      })
      const expectPast = (name: string, run: () => Tensor, use?: (x: Tensor) => Tensor) => {
        using seen = capture(model, PAST, () => tidy(run))
        tidy(() => golden.expect(name, pastOf(seen.activations, use)))
      }
      expectPast('full_past', () => model.logits({ ids }))
      expectPast('step_past', () => decode(everyToken))
      // one token more after reordering shows what the cache held
      const rows = tensor([B - 1, ...Array.from({ length: B - 1 }, (_, i) => i)], [B], 'int32')
      expectPast(
        'reordered_past',
        () => {
          using cache = model.newCache(B, T + 1)
          model.logits({ ids, cache })
          cache.reorder(rows)
          return model.logits({ ids: narrow(ids, 1, 0, 1), cache })
        },
        (past) => narrow(past, 2, 0, T),
      )
    },
  }),
  adapter({
    cases: ['llama2c'],
    model: ({ config }) => new Llama(fromLlama2c(config)),
    dialect: ({ config }) => metaDialect(fromLlama2c(config)),
    run: (golden, model) =>
      golden.differentiate({
        model,
        forward: () => {
          const logits = model.logits({ ids: golden.input<Tensor2D>('tokens') })
          return { logits, loss: crossEntropy(logits, golden.input('targets'), { ignoreIndex: -1 }) }
        },
      }),
  }),
  adapter({
    cases: ['llama_generate', 'llama_gqa_generate'],
    model: (golden) => new Llama(configOf(golden)),
    run: compareGenerateCase,
  }),
]
