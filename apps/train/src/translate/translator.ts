import { generate } from '@filature/generation'
import { type AttentionKind, RecurrentSeq2Seq, type RecurrentSeq2SeqConfig } from '@filature/recurrent'
import type { Module, Scalar } from '@filature/tensor'
import { tidy } from '@filature/tensor'
import { type Ids, idsTensor, padSequences } from '@filature/train'
import { type Seq2SeqConfig, Seq2SeqTransformer } from '@filature/transformer'
import type { PairBatch } from './batches.ts'

/** What a checkpoint's config.json holds. */
export type TranslatorConfig =
  | ({ readonly model_type: 'recurrent_seq2seq' } & RecurrentSeq2SeqConfig & { readonly attention: AttentionKind })
  | ({ readonly model_type: 'seq2seq_transformer' } & Seq2SeqConfig)

/** Ids with a meaning of their own, in the vocabularies that `translate` trains. */
export const special = { pad: 0, start: 1, end: 2 } as const
export const specialTokens = ['<pad>', '<s>', '</s>'] as const

export interface Decoding {
  readonly beams: number
  /** Most tokens of a translation: `factor` times those of the source and some. */
  readonly factor?: number
}

/** Either model, behind what training and testing ask of it. */
export interface Translator {
  readonly model: Module
  loss(batch: PairBatch): Scalar
  /** Sources with their end -> translations without start and end, in the same order. */
  translate(sources: readonly (readonly number[])[], decoding: Decoding): Promise<number[][]>
}

const ROWS = 32

export function translatorOf(config: TranslatorConfig): Translator {
  const { model, loss, write, most } =
    config.model_type === 'recurrent_seq2seq' ? recurrent(config) : transformer(config)
  return {
    model,
    loss,
    async translate(sources, { beams, factor = 2 }) {
      const byLength = [...sources.keys()].sort((a, b) => sources[a]!.length - sources[b]!.length || a - b)
      const out = new Array<number[]>(sources.length)
      for (let from = 0; from < byLength.length; from += ROWS) {
        const rows = byLength.slice(from, from + ROWS)
        const longest = sources[rows.at(-1)!]!.length
        const batch = padSequences(
          rows.map((i) => sources[i]!),
          { value: special.pad },
        )
        const options = {
          eosIds: special.end,
          padId: special.pad,
          suppressIds: [special.pad, special.start],
          maxNewTokens: Math.min(Math.ceil(factor * longest) + 5, most),
          numBeams: beams,
        }
        const generated = await write(batch.ids, batch.lengths, options)
        for (const [n, { ids }] of generated.rows.entries()) out[rows[n]!] = ids.filter((id) => id !== special.end)
      }
      return out
    },
  }
}

type Options = Parameters<typeof generate>[2]

function recurrent({ model_type: _, ...config }: Extract<TranslatorConfig, { model_type: 'recurrent_seq2seq' }>) {
  const model = new RecurrentSeq2Seq(config)
  return {
    model,
    most: Number.POSITIVE_INFINITY,
    loss: ({ source, lengths, target, labels }: PairBatch): Scalar =>
      model.loss({ source: { ids: idsTensor(source), lengths }, target: idsTensor(target), labels: idsTensor(labels) }),
    write: (source: Ids, lengths: Int32Array, options: Options) =>
      withIds(source, (ids) => generate(model, { source: { ids, lengths }, start: special.start }, options)),
  }
}

function transformer({ model_type: _, ...config }: Extract<TranslatorConfig, { model_type: 'seq2seq_transformer' }>) {
  const model = new Seq2SeqTransformer(config)
  return {
    model,
    /** Learned positions end; the start token takes one. */
    most:
      (config.positions === 'learned' && config.max_positions ? config.max_positions : Number.POSITIVE_INFINITY) - 1,
    loss: ({ source, target, labels }: PairBatch): Scalar =>
      model.loss({ source: idsTensor(source), target: idsTensor(target), labels: idsTensor(labels) }),
    write: (source: Ids, _lengths: Int32Array, options: Options) =>
      withIds(source, (ids) => generate(model, { source: ids, start: special.start }, options)),
  }
}

async function withIds<T>(ids: Ids, run: (ids: ReturnType<typeof idsTensor>) => Promise<T>): Promise<T> {
  const made = tidy(() => idsTensor(ids))
  try {
    return await run(made)
  } finally {
    made.dispose()
  }
}
