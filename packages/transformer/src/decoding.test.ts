import {
  type Cache,
  concat,
  init,
  type Module,
  narrow,
  Rng,
  type Scalar,
  type Tensor,
  type Tensor2D,
  type Tensor3D,
  tensor,
  tidy,
  training,
  valueAndGrads,
} from '@filature/tensor'
import { expectClose, expectNoLeak, forEachBackend, randomIds } from '@filature/testing'
import fc from 'fast-check'
import { it } from 'vitest'
import { AnnotatedTransformer } from './annotated.ts'
import { GPT2LMHeadModel } from './gpt2.ts'
import { NanoGPT } from './nanogpt.ts'
import { Seq2SeqTransformer } from './seq2seq.ts'

const T = 7
const ids = (name = 'ids', rows = 2) => randomIds(name, [rows, T], 11) as Tensor2D
const source = () =>
  tensor(
    [
      [3, 4, 5, 6],
      [7, 8, 1, 1],
    ],
    [2, 4],
    'int32',
  ) as Tensor2D

interface Decoder {
  model: Module
  logits(piece: Tensor2D, cache?: Cache): Tensor3D
  newCache(batch: number, capacity: number): Cache
  loss(): Scalar
}

const gpt2 = { vocab_size: 11, n_embd: 12, n_layer: 2, n_head: 3, n_positions: 16 }

const decoders: Record<string, () => Decoder> = {
  GPT2: () => {
    const model = init(new GPT2LMHeadModel({ ...gpt2, scale_attn_by_inverse_layer_idx: true }), new Rng(1))
    return decoderOnly(model, () => model.loss({ ids: ids() }))
  },
  NanoGPT: () => {
    const config = { block_size: 16, vocab_size: 11, n_layer: 2, n_head: 3, n_embd: 12, bias: false, dropout: 0.1 }
    const model = init(new NanoGPT(config), new Rng(1))
    return decoderOnly(model, () => model.loss({ ids: ids(), targets: ids('targets') }))
  },
  Seq2SeqTransformer: () => {
    const config = { d_model: 12, nhead: 3, num_encoder_layers: 1, num_decoder_layers: 2, dim_feedforward: 16 }
    const more = { src_vocab: 9, tgt_vocab: 11, pad_token_id: 1, positions: 'learned', max_positions: 16 } as const
    const model = init(new Seq2SeqTransformer({ ...config, ...more, norm_first: true }), new Rng(1))
    return {
      model,
      logits: (piece, cache) => model.decode(piece, model.encode(source()), cache),
      newCache: (batch, capacity) => model.newCache(batch, capacity),
      loss: () => model.loss({ source: source(), target: ids(), labels: ids('labels') }),
    }
  },
  AnnotatedTransformer: () => {
    const config = { src_vocab: 9, tgt_vocab: 11, N: 2, d_model: 12, d_ff: 16, h: 3, pad: 1, max_len: 16 }
    const model = init(new AnnotatedTransformer(config), new Rng(1))
    return {
      model,
      logits: (piece, cache) => model.decode(piece, model.encode(source()), cache),
      newCache: (batch, capacity) => model.newCache(batch, capacity),
      loss: () => model.loss({ source: source(), target: ids(), labels: ids('labels') }),
    }
  },
}

function decoderOnly(model: GPT2LMHeadModel | NanoGPT, loss: () => Scalar): Decoder {
  return {
    model,
    logits: (piece, cache) => model.logits(cache ? { ids: piece, cache } : { ids: piece }),
    newCache: (batch, capacity) => model.newCache(batch, capacity),
    loss,
  }
}

/** The ids in pieces, the cache carried along. */
function inPieces({ logits }: Decoder, all: Tensor2D, lengths: number[], cache: Cache): Tensor3D {
  let at = 0
  const out = lengths.map((length) => {
    const piece = narrow(all, 1, at, Math.min(at + length, T))
    at = Math.min(at + length, T)
    return piece.shape[1] > 0 ? logits(piece, cache) : undefined
  })
  return concat(
    out.filter((x) => x !== undefined),
    1,
  )
}

// targets of the annotated model must not be padding inside a cache
const noPads = (name: string) =>
  tidy(
    () =>
      tensor(
        Int32Array.from(ids(name).dataSync(), (id) => (id === 1 ? 2 : id)),
        [2, T],
        'int32',
      ) as Tensor2D,
  )

await forEachBackend(() => {
  for (const [name, make] of Object.entries(decoders)) {
    it(`${name}: decoding in pieces through a cache equals decoding at once`, async () => {
      const decoder = make()
      await fc.assert(
        fc.asyncProperty(fc.array(fc.integer({ min: 1, max: T }), { maxLength: T }), async (pieces) => {
          const all = noPads('decoding')
          using cache = decoder.newCache(2, T)
          await expectClose(inPieces(decoder, all, [...pieces, T], cache), decoder.logits(all), { atol: 2e-5 })
        }),
        { numRuns: 5, seed: 2 },
      )
      decoder.model[Symbol.dispose]()
    })

    it(`${name}: leaves nothing behind, neither training nor decoding`, async () => {
      const decoder = make()
      const all = noPads('leak')
      await expectNoLeak(() => {
        using cache = decoder.newCache(2, T)
        tidy(() => {
          inPieces(decoder, all, [3, 2, T], cache)
          training(decoder.model, new Rng(3), () => valueAndGrads(decoder.model, decoder.loss))
        })
      })
      decoder.model[Symbol.dispose]()
    })
  }

  for (const name of ['GPT2', 'NanoGPT']) {
    it(`${name}: goes on from the rows that a beam keeps`, async () => {
      const decoder = decoders[name]!()
      const all = noPads('beams')
      const kept: Tensor = tensor([1, 1], [2], 'int32')
      using cache = decoder.newCache(2, T)
      decoder.logits(narrow(all, 1, 0, 4), cache)
      cache.reorder(kept)
      const again = concat([narrow(all, 0, 1, 2), narrow(all, 0, 1, 2)], 0)
      const rest = decoder.logits(narrow(again, 1, 4, T), cache)
      await expectClose(rest, narrow(decoder.logits(again), 1, 4, T), { atol: 2e-5 })
      decoder.model[Symbol.dispose]()
    })
  }

  it('a translator keeps the memory of a beam with its rows', async () => {
    const { model } = decoders.Seq2SeqTransformer!() as Decoder & { model: Seq2SeqTransformer }
    const all = noPads('beams')
    const encoded = model.encode(source())
    using cache = model.newCache(2, T)
    model.decode(narrow(all, 1, 0, 4), encoded, cache)
    cache.reorder(tensor([1, 0], [2], 'int32'))
    const swapped = concat([narrow(all, 0, 1, 2), narrow(all, 0, 0, 1)], 0)
    const otherWay = model.encode(concat([narrow(source(), 0, 1, 2), narrow(source(), 0, 0, 1)], 0))
    const rest = model.decode(narrow(swapped, 1, 4, T), otherWay, cache)
    await expectClose(rest, narrow(model.decode(swapped, otherWay), 1, 4, T), { atol: 2e-5 })
    model[Symbol.dispose]()
  })

  it('recomputed blocks give the gradients of kept ones, and decode through a cache', async () => {
    const gradsOf = (gradient_checkpointing: boolean) => {
      const model = init(new GPT2LMHeadModel({ ...gpt2, gradient_checkpointing }), new Rng(1))
      const { grads } = training(model, new Rng(2), () => valueAndGrads(model, () => model.loss({ ids: ids() })))
      return { model, grads }
    }
    const [kept, recomputed] = [gradsOf(false), gradsOf(true)]
    for (const [path, gradient] of kept.grads) await expectClose(recomputed.grads.get(path)!, gradient, {}, path)
    const decoder = decoderOnly(recomputed.model, () => recomputed.model.loss({ ids: ids() }))
    using cache = recomputed.model.newCache(2, T)
    await expectClose(inPieces(decoder, ids(), [2, T], cache), kept.model.logits({ ids: ids() }), { atol: 2e-5 })
    for (const { model } of [kept, recomputed]) model[Symbol.dispose]()
  })

  it('left padding with position ids changes nothing for the real tokens', async () => {
    const model = init(new GPT2LMHeadModel(gpt2), new Rng(1))
    const all = ids('padded', 1)
    const padded = concat([tensor([[0, 0]], [1, 2], 'int32') as Tensor2D, all], 1)
    const attentionMask = tensor([[0, 0, 1, 1, 1, 1, 1, 1, 1]], [1, 9], 'int32') as Tensor2D
    const positionIds = tensor([[0, 0, 0, 1, 2, 3, 4, 5, 6]], [1, 9], 'int32') as Tensor2D
    const out = model.logits({ ids: padded, attentionMask, positionIds })
    await expectClose(narrow(out, 1, 2, 9), model.logits({ ids: all }))
    await expectClose(model.logits({ ids: all, lastOnly: true }), narrow(model.logits({ ids: all }), 1, -1))
    model[Symbol.dispose]()
  })
}, ['cpu', 'wasm', 'native'])
