import { adapter, type Golden } from '@filature/goldens'
import { capture, concat, narrow, type Tensor, type Tensor2D, tidy, transpose } from '@filature/tensor'
import { GPT2LMHeadModel, NanoGPT } from '../src/index.ts'

/** The blocks' activations of one site, in order. */
function expectByLayer(golden: Golden, activations: Map<string, Tensor>, site: RegExp, name: (i: number) => string) {
  let i = 0
  for (const [path, x] of activations) if (site.test(path)) golden.expect(name(i++), x)
}

/** Ids one at a time through a cache. -> (B, T, V) */
export function stepByStep(model: GPT2LMHeadModel | NanoGPT, ids: Tensor2D): Tensor {
  const [B, T] = ids.shape
  using cache = model.newCache(B, T)
  const steps = Array.from({ length: T }, (_, t) => model.logits({ ids: narrow(ids, 1, t, t + 1), cache }))
  return concat(steps, 1)
}

export const gpt2 = adapter({
  cases: /^gpt2_/,
  model: ({ config }) => new GPT2LMHeadModel({ ...config, attn_pdrop: 0, resid_pdrop: 0, embd_pdrop: 0 }),
  run: async (golden, model) => {
    const ids = golden.input<Tensor2D>('input_ids')
    const attentionMask = golden.input<Tensor2D>('attention_mask')
    tidy(() => {
      using seen = capture(model, ['transformer.*', 'transformer.h.*.*', 'transformer.h.*.attn.*'], () =>
        model.logits({ ids, attentionMask }),
      )
      const { activations } = seen
      expectByLayer(golden, activations, /attn\.pattern$/, (i) => `attentions.${i}`)
      const blocks = model.transformer.h.length
      golden.expect('hidden_states.0', activations.get('transformer.embeddings')!)
      for (let i = 1; i < blocks; i++)
        golden.expect(`hidden_states.${i}`, activations.get(`transformer.h.${i - 1}.out`)!)
      golden.expect(`hidden_states.${blocks}`, activations.get('transformer.out')!)
      for (let i = 0; i < blocks; i++) {
        ;['k', 'v'].forEach((site, which) => {
          const held = transpose(activations.get(`transformer.h.${i}.attn.${site}`)!, [0, 2, 1, 3])
          golden.expect(`past_key_values.${i}.${which}`, held)
        })
      }
      golden.expect('step_logits_unpadded', stepByStep(model, ids))
    })
    const labels = golden.input<Tensor2D>('labels')
    await golden.differentiate({
      model,
      forward: () => ({
        logits: model.logits({ ids, attentionMask }),
        loss: model.loss({ ids, labels, attentionMask }),
      }),
      loss: ({ loss }) => loss,
    })
  },
})

export const nanogpt = adapter({
  cases: ['nanogpt'],
  model: ({ config }) => new NanoGPT(config),
  run: (golden, model) => {
    const ids = golden.input<Tensor2D>('idx')
    const targets = golden.input<Tensor2D>('targets')
    return golden.differentiate({
      model,
      forward: () => ({
        logits: model.logits({ ids }),
        last_logits: model.logits({ ids, lastOnly: true }),
        loss: model.loss({ ids, targets }),
      }),
      loss: ({ loss }) => loss,
    })
  },
})
