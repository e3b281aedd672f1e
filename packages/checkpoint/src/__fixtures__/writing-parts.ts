import { dict, join, pickle, storage, tensor, text, zip } from './writing-pickles.ts'

export interface Matrix {
  readonly shape: readonly number[]
  readonly values: Float32Array
}

/** A .pth of float32 tensors, in torch's zip layout. */
export function pth(tensors: ReadonlyMap<string, Matrix>): Uint8Array {
  const entries = [...tensors].map(([name, { shape, values }], i) => {
    const strides = shape.map((_, axis) => shape.slice(axis + 1).reduce((a, d) => a * d, 1))
    return { name, key: String(i), value: tensor(storage(String(i), values.length), 0, shape, strides), values }
  })
  const state = dict(entries.map(({ name, value }) => [text(name), value] as const))
  return zip([
    { name: 'consolidated/data.pkl', bytes: pickle(join(state)) },
    ...entries.map(({ key, values }) => ({
      name: `consolidated/data/${key}`,
      bytes: new Uint8Array(values.slice().buffer),
    })),
  ])
}

/** The n-th of `count` equal slices of a matrix. */
export function slice({ shape, values }: Matrix, axis: 0 | 1, n: number, count: number): Matrix {
  const [rows, columns] = shape as [number, number]
  const cut = shape.with(axis, shape[axis]! / count)
  const [R, C] = cut as [number, number]
  const row = axis === 0 ? n * R : 0
  const column = axis === 1 ? n * C : 0
  const at = (i: number) => (row + Math.floor(i / C)) * columns + column + (i % C)
  if (rows * columns !== values.length) throw new Error(`[${shape}] does not have ${values.length} numbers`)
  return { shape: cut, values: Float32Array.from({ length: R * C }, (_, i) => values[at(i)]!) }
}

/** How Meta cuts LLaMA 1 and 2 (`columns`) and LLaMA 3 (`rows`) for several devices, by the embedding's axis. */
export function metaPart(
  model: ReadonlyMap<string, Matrix>,
  n: number,
  count: number,
  embedding: 'rows' | 'columns' = 'columns',
): Map<string, Matrix> {
  const axisOf: Record<string, 0 | 1> = {
    tok_embeddings: embedding === 'rows' ? 0 : 1,
    ...{ wq: 0, wk: 0, wv: 0, wo: 1, w1: 0, w2: 1, w3: 0, output: 0 },
  }
  return new Map(
    [...model].map(([name, matrix]) => {
      const axis = axisOf[name.split('.').at(-2)!]
      return [name, matrix.shape.length < 2 || axis === undefined ? matrix : slice(matrix, axis, n, count)]
    }),
  )
}
