import { concat, type Initializer, narrow, Parameter, type Rng, tensor, tidy } from '@filature/tensor'

/** A parameter with another number of rows, `init` filling new ones; without values, if the old one has none. */
export function resizedRows(old: Parameter, rows: number, init: Initializer, rng: Rng): Parameter {
  const [before, ...rest] = old.shape as [number, ...number[]]
  const resized = new Parameter([rows, ...rest], init)
  resized.trainable = old.trainable
  if (old.hasValue) {
    tidy(() => {
      const kept = narrow(old.value, 0, 0, Math.min(rows, before))
      const shape = [rows - before, ...rest]
      resized.assign(rows > before ? concat([kept, tensor(init(shape, rng), shape)], 0) : kept)
    })
  }
  return resized
}
