import { KeyValueCache } from '@filature/attention'
import { adapter, type Golden } from '@filature/goldens'
import {
  activationGrads,
  capture,
  concat,
  type Module,
  mul,
  narrow,
  ones,
  parametersOf,
  type Scalar,
  sum,
  type Tensor,
  type Tensor2D,
  type Tensor3D,
  type Tensor4D,
  tensor,
  tidy,
  transpose,
} from '@filature/tensor'
import {
  QFormer,
  type QFormerConfig,
  QFormerForCausalLM,
  QFormerForMaskedLM,
  type QFormerInputs,
} from '../src/index.ts'

const configOf = ({ config }: Golden): QFormerConfig => config

const inputsOf = (golden: Golden): QFormerInputs => ({
  input_ids: golden.optionalInput<Tensor2D>('input_ids'),
  position_ids: golden.optionalInput<Tensor2D>('position_ids'),
  query_embeds: golden.optionalInput<Tensor3D>('query_embeds'),
  attention_mask: golden.optionalInput('attention_mask'),
  head_mask: golden.optionalInput<Tensor2D>('const_head_mask'),
  encoder_hidden_states: golden.optionalInput<Tensor3D>('encoder_hidden_states'),
  encoder_attention_mask: golden.optionalInput('encoder_attention_mask'),
})

/** (B, S, H, D) as the references lay caches out: (B, H, S, D) */
const heads = (x: Tensor) => transpose(x as Tensor4D, [0, 2, 1, 3])

const layerOf = (path: string) => path.split('layer.')[1]!.split('.')[0]!

/** By layer, what was captured under paths that end so. */
const byLayer = (activations: Map<string, Tensor>, end: string) =>
  Object.fromEntries([...activations].flatMap(([path, x]) => (path.endsWith(end) ? [[layerOf(path), x]] : [])))

/** [key, value] of each layer's self-attention, with the cached ones. */
const pastOf = (activations: Map<string, Tensor>) => {
  const values = byLayer(activations, '.attention.self.v')
  return Object.entries(byLayer(activations, '.attention.self.k')).map(([layer, k]) => [
    heads(k),
    heads(values[layer]!),
  ])
}

const PAST = /(^|\.)attention\.self\.[kv]$/

function expectActivations(golden: Golden, model: Module, run: () => Tensor): void {
  using seen = capture(model, ['**.pattern', PAST, '**.out'], () => tidy(run))
  const { activations } = seen
  const hidden = [...activations].filter(([path]) => path.endsWith('.out')).map(([, x]) => x)
  const expect = (name: string, values: Record<string, Tensor> | Tensor[] | Tensor[][]) => {
    if (golden.list(new RegExp(`^outputs\\.${name}\\.`)).length) golden.expect(name, values)
  }
  tidy(() => {
    expect('attentions', byLayer(activations, '.attention.self.pattern'))
    expect('cross_attentions', byLayer(activations, '.crossattention.self.pattern'))
    expect('hidden_states', hidden)
    expect('past_key_values', pastOf(activations))
  })
}

export const adapters = [
  adapter({
    cases: [
      'query_only',
      'head_mask',
      'query_text',
      'query_text_3d_mask',
      'relative_key',
      'relative_key_query',
      'text_only',
    ].map((name) => `qformer_${name}`),
    model: (golden) => new QFormer(configOf(golden)),
    run: async (golden, model) => {
      const inputs = inputsOf(golden)
      await golden.differentiate({
        model,
        forward: () => {
          const last_hidden_state = model.forward(inputs)
          return { last_hidden_state, pooler_output: model.pooler && model.pool(last_hidden_state) }
        },
      })
      expectActivations(golden, model, () => model.forward(inputs))
    },
  }),
  adapter({
    cases: ['qformer_prune_heads'],
    model: (golden) => new QFormer({ ...configOf(golden), pruned_heads: golden.config.prune_heads }),
    run: async (golden, model) => {
      const inputs = inputsOf(golden)
      await golden.differentiate({ model, forward: () => ({ last_hidden_state: model.forward(inputs) }) })
      expectActivations(golden, model, () => model.forward(inputs))
      // the whole model, pruned here, is the pruned one
      using whole = new QFormer(configOf(golden))
      for (const name of golden.list(/^inputs\.const_unpruned\./)) {
        const { shape, data } = golden.read(name)
        const parameter = parametersOf(whole).get(name.slice('inputs.const_unpruned.'.length))
        parameter?.assign(tensor(Float32Array.from(data), shape as number[]))
      }
      whole.pruneHeads(golden.config.prune_heads)
      tidy(() => golden.expect('last_hidden_state', whole.forward(inputs)))
    },
  }),
  adapter({
    cases: ['qformer_save_attention'],
    model: (golden) => new QFormer(configOf(golden)),
    run: async (golden, model) => {
      const inputs = inputsOf(golden)
      await golden.differentiate({ model, forward: () => ({ last_hidden_state: model.forward(inputs) }) })
      tidy(() => {
        const { activations, grads } = activationGrads(
          model,
          '**.crossattention.self.pattern',
          () => sum(mul(model.forward(inputs), golden.input('cotangent.last_hidden_state'))) as Scalar,
        )
        for (const [path, pattern] of activations) {
          golden.expect(`attention_map.${layerOf(path)}`, pattern)
          golden.expect(`attn_gradients.${layerOf(path)}`, grads.get(path)!)
        }
      })
    },
  }),
  adapter({
    cases: ['qformer_lm_loss'],
    model: (golden) => new QFormerForCausalLM(configOf(golden)),
    run: async (golden, model) => {
      const inputs = inputsOf(golden)
      const labels = golden.input<Tensor2D>('labels')
      await golden.differentiate({ model, forward: () => ({ loss: model.loss(inputs, labels) }) })
      tidy(() => {
        golden.expect('logits', model.forward(inputs))
        golden.expect('return_logits', model.shiftedLogits(inputs))
        golden.expect('loss_none', model.loss(inputs, labels, { reduction: 'none' }))
      })
      expectActivations(golden, model, () => model.forward(inputs))
    },
  }),
  adapter({
    cases: ['qformer_mlm'],
    model: (golden) => new QFormerForMaskedLM(configOf(golden)),
    run: async (golden, model) => {
      const inputs = inputsOf(golden)
      const labels = golden.input<Tensor2D>('labels')
      await golden.differentiate({ model, forward: () => ({ loss: model.loss(inputs, labels) }) })
      tidy(() => golden.expect('logits', model.forward(inputs)))
      expectActivations(golden, model, () => model.forward(inputs))
    },
  }),
  adapter({
    cases: ['qformer_incremental'],
    model: (golden) => new QFormerForCausalLM(configOf(golden)),
    run: async (golden, model) => {
      const ids = golden.input<Tensor2D>('input_ids')
      const { query_embeds, encoder_hidden_states } = inputsOf(golden)
      await golden.differentiate({ model, forward: () => ({ step_logits: decode(golden, model, 1) }) })
      tidy(() => {
        golden.expect('chunk_logits', decode(golden, model, 2))
        golden.expect('text_after_query_logits', decode(golden, model, ids.shape[1]))
        golden.expect('full_logits', model.forward({ input_ids: ids, query_embeds, encoder_hidden_states }))
        golden.expect('query_last_hidden_state', model.bert.forward({ query_embeds, encoder_hidden_states }))
      })
      const expectPast = (name: string, run: () => Tensor, use = (past: Tensor) => past) => {
        using seen = capture(model, PAST, () => tidy(run))
        const last = new Map([...seen.activations].map(([path, x]) => [path.split('#')[0]!, x]))
        tidy(() =>
          golden.expect(
            name,
            pastOf(last).map((pair) => pair.map(use)),
          ),
        )
      }
      expectPast('full_past_key_values', () => model.forward({ input_ids: ids, query_embeds, encoder_hidden_states }))
      expectPast('step_past.last', () => decode(golden, model, 1))
      expectPast('step_past.query', () => model.bert.forward({ query_embeds, encoder_hidden_states }))
      const Q = query_embeds!.shape[1]
      expectPast(
        'reordered_query_past',
        () => decode(golden, model, 1, 1, true),
        (past) => narrow(past, 2, 0, Q),
      )
    },
  }),
]

/** The queries first, then the text behind them in chunks, through a cache. */
function decode(
  golden: Golden,
  model: QFormerForCausalLM,
  chunk: number,
  steps = Number.POSITIVE_INFINITY,
  reorder = false,
): Tensor3D {
  const ids = golden.input<Tensor2D>('input_ids')
  const [B, T] = ids.shape
  const { query_embeds, encoder_hidden_states } = inputsOf(golden)
  const Q = query_embeds!.shape[1]
  using cache = new KeyValueCache({ layers: golden.config.num_hidden_layers, batch: B, capacity: Q + T })
  model.bert.forward({ query_embeds, encoder_hidden_states, cache })
  if (reorder) cache.reorder(tensor([B - 1, ...Array.from({ length: B - 1 }, (_, i) => i)], [B], 'int32'))
  const logits: Tensor3D[] = []
  for (let t = 0; t < T && logits.length < steps; t += chunk) {
    const end = Math.min(t + chunk, T)
    logits.push(model.forward({ input_ids: narrow(ids, 1, t, end), attention_mask: ones([B, Q + end]), cache }))
  }
  return concat(logits, 1)
}
