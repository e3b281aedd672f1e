import { add, init, linear, Rng, silu, type Tensor3D } from '@filature/tensor'
import { expectClose, forEachBackend, randomTensor } from '@filature/testing'
import { describe, expect, it } from 'vitest'
import { Transformer, TransformerEncoderLayer } from './index.ts'

await forEachBackend(() => {
  it('a layer takes any activation', async () => {
    const layer = new TransformerEncoderLayer({
      d_model: 8,
      nhead: 2,
      dim_feedforward: 12,
      activation: 'silu',
      norm_first: true,
    })
    using model = init(layer, new Rng(3))
    const x = randomTensor('layer-x', [2, 5, 8]) as Tensor3D
    const normed = model.norm1.forward(x)
    const attended = add(x, model.self_attn.forward(normed, normed, normed))
    const { linear1, linear2, norm2 } = model
    const cells = silu(linear(norm2.forward(attended), linear1.weight.value, linear1.bias?.value))
    await expectClose(model.forward(x), add(attended, linear2.forward(cells)))
  })
})

describe('TransformerEncoderLayer', () => {
  it("has torch's defaults", () => {
    const layer = new TransformerEncoderLayer({ d_model: 8, nhead: 2 })
    expect(layer.linear1.weight.shape).toEqual([2048, 8])
    expect(layer.normFirst).toBe(false)
    expect(layer.dropout.rate).toBe(0.1)
    expect(layer.norm1.eps).toBe(1e-5)
  })

  it('refuses an activation that it does not know, by name', () => {
    const sizes = { d_model: 8, nhead: 2, num_encoder_layers: 1, num_decoder_layers: 1 }
    expect(() => new Transformer({ ...sizes, activation: 'swish' as 'silu' })).toThrow(
      expect.objectContaining({ code: 'transformer-activation', message: expect.stringContaining("got 'swish'") }),
    )
  })
})
