import { adapter, type Golden } from '@filature/goldens'
import {
  capture,
  mul,
  narrow,
  reshape,
  type Tensor,
  type Tensor1D,
  type Tensor2D,
  type Tensor3D,
  tidy,
} from '@filature/tensor'
import { BertForPreTraining, BertModel } from '../src/index.ts'

const noDropout = { hidden_dropout_prob: 0, attention_probs_dropout_prob: 0 }

/** Hugging Face's hidden_states and attentions. */
function expectStates(golden: Golden, activations: Map<string, Tensor>, prefix: string, layers: number): void {
  golden.expect('hidden_states.0', activations.get(`${prefix}embeddings.out`)!)
  for (let i = 0; i < layers; i++) {
    golden.expect(`hidden_states.${i + 1}`, activations.get(`${prefix}encoder.layer.${i}.out`)!)
  }
}

export const bertPretraining = adapter({
  cases: ['bert_pretraining'],
  model: ({ config }) => new BertForPreTraining({ ...config, ...noDropout }),
  run: async (golden, model) => {
    const inputs = {
      ids: golden.input<Tensor2D>('input_ids'),
      attentionMask: golden.input<Tensor2D>('attention_mask'),
      tokenTypeIds: golden.input<Tensor2D>('token_type_ids'),
    }
    tidy(() => {
      using seen = capture(model, ['bert.embeddings.out', '**.pattern', 'bert.encoder.layer.*.out'], () =>
        model.scores(inputs),
      )
      const layers = model.bert.encoder.layer.length
      expectStates(golden, seen.activations, 'bert.', layers)
      for (let i = 0; i < layers; i++) {
        golden.expect(`attentions.${i}`, seen.activations.get(`bert.encoder.layer.${i}.attention.self.pattern`)!)
      }
      const { states, pooled } = model.bert.pooled(inputs)
      golden.expect('last_hidden_state', states)
      golden.expect('pooler_output', pooled)
    })
    await golden.differentiate({
      model,
      forward: () => {
        const { words, next } = model.scores(inputs)
        const labels = golden.input<Tensor2D>('labels')
        const nextSentenceLabels = golden.input<Tensor1D>('next_sentence_label')
        return {
          prediction_logits: words,
          seq_relationship_logits: next,
          loss: model.loss({ ...inputs, labels, nextSentenceLabels }),
        }
      },
      loss: ({ loss }) => loss,
    })
  },
})

export const bertHeadMask = adapter({
  cases: ['bert_model_head_mask'],
  model: ({ config }) => new BertModel({ ...config, ...noDropout }),
  run: async (golden, model) => {
    const headMask = golden.input<Tensor2D>('const_head_mask')
    const inputs = {
      embeds: golden.input<Tensor3D>('inputs_embeds'),
      attentionMask: golden.input<Tensor2D>('attention_mask'),
      headMask,
    }
    tidy(() => {
      using seen = capture(model, '**.pattern', () => model.forward(inputs))
      let i = 0
      for (const pattern of seen.activations.values()) {
        // the reference returns the pattern times the mask
        const mask = reshape(narrow(headMask, 0, i, i + 1), [1, -1, 1, 1])
        golden.expect(`attentions.${i++}`, mul(pattern, mask))
      }
    })
    await golden.differentiate({
      model,
      forward: () => {
        const { states, pooled } = model.pooled(inputs)
        return { last_hidden_state: states, pooler_output: pooled }
      },
    })
  },
})
