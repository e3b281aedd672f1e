import * as t from '@filature/tensor'
import { type Entry, normal, of } from './entry.ts'

interface Sizes {
  readonly T?: number
  readonly B?: number
  readonly I?: number
  readonly H?: number
  readonly bias?: boolean
  readonly reverse?: boolean
}

function layer(mode: t.RecurrentMode, { T = 6, B = 3, I = 5, H = 7, bias = true, reverse = false }: Sizes = {}) {
  const n = t.gateCount[mode] * H
  const small = { std: 0.4 }
  const inputs = {
    x: normal([T, B, I]),
    h: normal([B, H], small),
    ...(mode === 'lstm' ? { c: normal([B, H], small) } : {}),
    w_ih: normal([n, I], small),
    w_hh: normal([n, H], small),
    ...(bias ? { b_ih: normal([n], small), b_hh: normal([n], small) } : {}),
  }
  const run: Entry['run'] = ({ x, h, c, w_ih, w_hh, b_ih, b_hh }) => {
    const result = t.recurrent(mode, x, { h, c }, { w_ih, w_hh, b_ih, b_hh }, { reverse })
    return [result.out, result.h, ...(result.c ? [result.c] : [])]
  }
  const more: Partial<Entry> = mode === 'relu' ? { withoutDifferences: 'a kink may lie between the two points' } : {}
  return [inputs, run, more] as const
}

const modes: t.RecurrentMode[] = ['tanh', 'relu', 'lstm', 'gru']

export const recurrent: Entry[] = [
  ...modes.flatMap((mode) =>
    of('recurrent', {
      [mode]: layer(mode),
      [`${mode}, reverse`]: layer(mode, { reverse: true }),
      [`${mode}, without bias`]: layer(mode, { bias: false }),
      [`${mode}, one step`]: layer(mode, { T: 1 }),
      [`${mode}, odd and wide`]: layer(mode, { T: 11, B: 5, I: 19, H: 37 }),
      [`${mode}, one row`]: layer(mode, { B: 1, T: 9 }),
    }),
  ),
  ...of('recurrentStep', {
    gru: [
      { gi: normal([2, 9]), gh: normal([2, 9]), h: normal([2, 3]) },
      ({ gi, gh, h }) => t.recurrentStep('gru', gi, gh, h).h,
    ],
    lstm: [
      { gi: normal([2, 12]), gh: normal([2, 12]), h: normal([2, 3], { constant: true }), c: normal([2, 3]) },
      ({ gi, gh, h, c }) => {
        const step = t.recurrentStep('lstm', gi, gh, h, c)
        return [step.h, step.c!]
      },
    ],
  }),
]
