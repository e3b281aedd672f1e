import type { Adapter } from '../../../../adapter.ts'

/** y = 2 x, by hand. */
export const adapters: Adapter[] = [
  {
    cases: /^doubling_/,
    run: (golden) => {
      const { shape, data } = golden.read('inputs.x')
      golden.expect('y', { shape, data: Array.from(data, (x) => 2 * x) })
    },
  },
]
