import { type Tensor2D, tensor } from '@filature/tensor'

/** Token ids on the host, row-major (B, T). */
export interface Ids {
  readonly values: Int32Array
  readonly shape: readonly [number, number]
}

/** Inputs and, one token further, what is to follow each of them. */
export interface TokenBatch {
  readonly inputs: Ids
  readonly targets: Ids
  /** True where a stream begins anew: the state of the step before does not belong to it. */
  readonly fresh: boolean
}

/** Ids as an int32 tensor (B, T), made in the surrounding tidy. */
export function idsTensor({ values, shape }: Ids): Tensor2D {
  return tensor(values, shape, 'int32') as Tensor2D
}

/** Tokens start..start+T-1 of each row, and the same one further. */
export function cut(tokens: ArrayLike<number>, starts: readonly number[], T: number, fresh: boolean): TokenBatch {
  const shape = [starts.length, T] as const
  const inputs = new Int32Array(starts.length * T)
  const targets = new Int32Array(starts.length * T)
  starts.forEach((start, row) => {
    for (let t = 0; t < T; t++) {
      inputs[row * T + t] = tokens[start + t]!
      targets[row * T + t] = tokens[start + t + 1]!
    }
  })
  return { inputs: { values: inputs, shape }, targets: { values: targets, shape }, fresh }
}
