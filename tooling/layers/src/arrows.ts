/**
 * The packages from top to bottom, and what each may import. An arrow points to a package further down this list, so
 * the list cannot hold a cycle. A new arrow is a decision: write a record in docs/decisions beside the change. Tests,
 * benches and golden adapters ship nothing: they may use any package further down.
 */
export const arrows = {
  lens: ['tensor'],
  minigpt4: ['vision', 'qformer', 'llama', 'generation', 'tokenizers', 'tensor'],

  llama: ['attention', 'tensor'],
  qformer: ['transformer', 'attention', 'tensor'],
  vision: ['attention', 'tensor'],
  transformer: ['attention', 'tensor'],
  recurrent: ['attention', 'tensor'],

  generation: ['tensor'],
  train: ['checkpoint', 'tensor'],
  checkpoint: ['tensor'],
  attention: ['tensor'],
  'backend-native': ['tensor'],
  'backend-webgpu': ['tensor'],
  'backend-wasm': ['tensor'],

  tokenizers: [],
  tensor: [],
} as const satisfies Record<string, readonly string[]>

/** Packages that may import tfjs: the door, and the backends that bring its engines up. */
export const tfjsUsers = ['tensor', 'backend-wasm', 'backend-webgpu', 'backend-native']

/** The workbench: tests, benches and golden adapters import it by alias; no package depends on it. */
export const workbench = ['goldens', 'testing']

/** What does not ship, by its path below a package. */
export const testCode = String.raw`(goldens/|bench/|src/testing/|src/__fixtures__/|src/.*\.(test|test-d|bench)\.ts$)`

export type Arrows = Readonly<Record<string, readonly string[]>>

/** The packages that stand below one: what its tests may use. */
export const below = (list: Arrows, name: string): string[] =>
  Object.keys(list).slice(Object.keys(list).indexOf(name) + 1)

/** What is wrong with the list itself: unknown names and arrows that do not point down. */
export function listProblems(list: Arrows): string[] {
  const order = Object.keys(list)
  return order.flatMap((from, position) =>
    (list[from] ?? []).flatMap((to) => {
      const target = order.indexOf(to)
      if (target === -1) return [`${from} -> ${to}: no package "${to}" in the list`]
      return target > position ? [] : [`${from} -> ${to} points up: "${to}" stands above "${from}" in the list`]
    }),
  )
}
