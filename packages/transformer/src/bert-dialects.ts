import { Dialect, type Rule, type TensorTable } from '@filature/tensor'

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

/** As `gammaBeta`, and written with the newer names. */
const readGammaBeta: Rule = { toOurs: gammaBeta.toOurs, toTheirs: (table) => table }

const withoutPrefix = (prefix: string): Rule => ({
  toOurs: (table) =>
    new Map([...table].map(([name, entry]) => [name.startsWith(prefix) ? name.slice(prefix.length) : name, entry])),
  toTheirs: (table) => new Map([...table].map(([name, entry]) => [prefix + name, entry])),
})

/** Names of BERT's checkpoints that differ from this package's. Parts that a model lacks are for `leaveOut` to name. */
export const bertDialects = {
  /** The first checkpoints (`bert-base-uncased` and its like): norms with gamma and beta. */
  gammaBeta: new Dialect('BERT with gamma and beta', [gammaBeta]),
  /** A pretrained or fine-tuned checkpoint for a bare `BertModel`: names without `bert.`; with gamma and beta or not. */
  bare: new Dialect('the encoder of a BERT with heads', [readGammaBeta, withoutPrefix('bert.')]),
} as const
