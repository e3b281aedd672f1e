import { adapter } from '@filature/goldens'
import { argMax, capture, concat, narrow, type Tensor2D, tensor, tidy } from '@filature/tensor'
import { AnnotatedTransformer } from '../src/index.ts'

/** Greedy decoding of the first source through the cache, `length` ids with the start symbol. */
function greedy(model: AnnotatedTransformer, source: Tensor2D, length: number): Tensor2D {
  const encoded = model.encode(narrow(source, 0, 0, 1))
  using cache = model.newCache(1, length)
  let next: Tensor2D = tensor([[1]], [1, 1], 'int32')
  const ids = [next]
  while (ids.length < length) {
    next = argMax<Tensor2D>(model.decode(next, encoded, cache))
    ids.push(next)
  }
  return concat(ids, 1)
}

export const annotated = adapter({
  cases: ['annotated_transformer'],
  model: ({ config }) => new AnnotatedTransformer({ ...config, dropout: 0, max_len: 32 }),
  run: async (golden, model) => {
    const source = golden.input<Tensor2D>('src')
    const target = golden.input<Tensor2D>('tgt')
    tidy(() => {
      using seen = capture(model, '**.pattern', () => model.decode(target, model.encode(source)))
      for (const [path, pattern] of seen.activations) {
        const [, side, layer, kind] = /^(\w+)\.layers\.(\d+)\.(\w+)\.pattern$/.exec(path)!
        golden.expect(`${side === 'encoder' ? 'enc_attn' : kind}.${layer}`, pattern)
      }
      const { length } = golden.read('outputs.greedy').data
      golden.expect('greedy', greedy(model, source, length))
    })
    const labels = golden.input<Tensor2D>('labels')
    await golden.differentiate({
      model,
      forward: () => {
        const encoded = model.encode(source)
        return {
          memory: encoded.memory,
          decoder_out: model.states(target, encoded),
          log_probs: model.decode(target, encoded),
          loss: model.loss({ source, target, labels }),
        }
      },
      loss: ({ loss }) => loss,
    })
  },
})
