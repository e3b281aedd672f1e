import { Dialect, ignored, type Rule, type TensorTable } from '@filature/tensor'

const renamed = (table: TensorTable, pairs: readonly (readonly [string, string])[]): TensorTable =>
  new Map(
    [...table].map(([name, entry]) => {
      const pair = pairs.find(([from]) => name.endsWith(from))
      return [pair ? name.slice(0, -pair[0].length) + pair[1] : name, entry]
    }),
  )

/** Norms' parameters as the first checkpoints name them: `LayerNorm.gamma`, `LayerNorm.beta`. */
const GAMMA_BETA = [
  ['LayerNorm.gamma', 'LayerNorm.weight'],
  ['LayerNorm.beta', 'LayerNorm.bias'],
] as const

const gammaBeta: Rule = {
  toOurs: (table) => renamed(table, GAMMA_BETA),
  toTheirs: (table) =>
    renamed(
      table,
      GAMMA_BETA.map(([theirs, ours]) => [ours, theirs]),
    ),
}

const LAYERS = /^bert\./

/** What a pretraining checkpoint (`bert.*`, `cls.*`) has more than a model, by the model's part. */
export const bertDialects = {
  /** `bert-base-uncased` and its like, whole: for `BertForPreTraining`. */
  pretraining: new Dialect('BERT with gamma and beta', [gammaBeta]),
  /** For `BertForMaskedLM`: no pooler, no next-sentence head. */
  masked: new Dialect('BERT with gamma and beta, masked words alone', [
    gammaBeta,
    ignored(/^cls\.seq_relationship\.|^bert\.pooler\./),
  ]),
  /** For a bare `BertModel`: the names without `bert.`, no heads. */
  bare: new Dialect('BERT with gamma and beta, the encoder alone', [
    gammaBeta,
    ignored(/^cls\./),
    {
      toOurs: (table) => new Map([...table].map(([name, entry]) => [name.replace(LAYERS, ''), entry])),
      toTheirs: (table) => new Map([...table].map(([name, entry]) => [`bert.${name}`, entry])),
    },
  ]),
  /** For a fine-tuning model with a pooler (sequence classification): its own head is not in the file. */
  pooled: new Dialect('BERT with gamma and beta, without heads', [gammaBeta, ignored(/^cls\./)]),
  /** For a fine-tuning model without a pooler (tokens, spans). */
  unpooled: new Dialect('BERT with gamma and beta, without heads and pooler', [
    gammaBeta,
    ignored(/^cls\.|^bert\.pooler\./),
  ]),
} as const
