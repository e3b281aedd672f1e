import { sinusoidalPositions } from '@filature/attention'
import { adapter } from '@filature/goldens'
import { capture, crossEntropy, type Scalar, type Tensor, type Tensor2D, tidy } from '@filature/tensor'
import { Seq2SeqTransformer } from '../src/index.ts'

export const torchTransformer = adapter({
  cases: /^torch_transformer_/,
  model: ({ config: { batch_first: _, ...config } }) => new Seq2SeqTransformer(config),
  run: async (golden, model) => {
    const src = golden.input<Tensor2D>('src')
    const srcMasks = {
      mask: golden.input('const_src_mask'),
      keyPaddingMask: golden.input('src_key_padding_mask'),
    }
    const tgtMasks = {
      mask: golden.input('tgt_mask'),
      keyPaddingMask: golden.input('tgt_key_padding_mask'),
      memoryMask: golden.input('const_memory_mask'),
      memoryKeyPaddingMask: golden.input('src_key_padding_mask'),
    }
    tidy(() => {
      using seen = capture(model, 'source', () => model.encode(src, srcMasks))
      golden.expect('src_embedded', seen.activations.get('source')!)
      golden.expect('positions', sinusoidalPositions(src.shape[1], model.config.d_model))
    })
    await golden.differentiate({
      model,
      forward: () => {
        const encoded = model.encode(src, srcMasks)
        const states = model.states(golden.input<Tensor2D>('tgt'), encoded, tgtMasks)
        const logits = model.generator.forward(states)
        const loss: Tensor = crossEntropy(logits, golden.input<Tensor2D>('labels'))
        return { memory: encoded.memory, decoder_out: states, logits, loss: loss as Scalar }
      },
      loss: ({ loss }) => loss,
    })
  },
})
