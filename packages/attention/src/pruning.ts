import { ConfigError, gather, Linear, Parameter, tensor, tidy, zerosInit } from '@filature/tensor'

/** Which rows of a projection stay when heads go; heads are counted as in the model before any pruning. */
export interface KeptHeads {
  /** Rows among those at hand. */
  rows: Int32Array
  /** The original heads that stay. */
  heads: number[]
  /** All original heads pruned so far: what a configuration stores. */
  pruned: number[]
}

/**
 * The rows to keep when the heads `prune` go. Heads keep their original numbers: pruning [0] and then [1] equals
 * pruning [0, 1]; a head that is gone already does not count again.
 */
export function keptHeads(
  { heads, headWidth, pruned = [] }: { heads: number; headWidth: number; pruned?: Iterable<number> },
  prune: Iterable<number>,
): KeptHeads {
  const gone = new Set(pruned)
  const now = new Set(prune)
  for (const head of now) {
    if (!Number.isInteger(head) || head < 0 || head >= heads) {
      throw new ConfigError('prune-head', `keptHeads: wanted heads from 0 to ${heads - 1}, got ${head}.`)
    }
  }
  const atHand = Array.from({ length: heads }, (_, head) => head).filter((head) => !gone.has(head))
  const rows = atHand.flatMap((head, place) =>
    now.has(head) ? [] : Array.from({ length: headWidth }, (_, i) => place * headWidth + i),
  )
  const stay = atHand.filter((head) => !now.has(head))
  if (stay.length === 0) {
    throw new ConfigError(
      'prune-all',
      'keptHeads: wanted at least one head to stay; leave out the whole layer instead.',
    )
  }
  return { rows: Int32Array.from(rows), heads: stay, pruned: [...new Set([...gone, ...now])].sort((a, b) => a - b) }
}

function pick(parameter: Parameter, rows: Int32Array, axis: 0 | 1): Parameter {
  const shape = parameter.shape.map((d, i) => (i === axis ? rows.length : d))
  const picked = new Parameter(shape, parameter.init)
  picked.trainable = parameter.trainable
  if (parameter.hasValue) tidy(() => picked.assign(gather(parameter.value, tensor(rows, [rows.length], 'int32'), axis)))
  return picked
}

/**
 * A linear layer of the chosen outputs (axis 0: rows of weight and bias) or inputs (axis 1: columns of the weight, the
 * bias stays), with its values where it has any. The old layer's numbers are freed.
 */
export function prunedLinear(layer: Linear, rows: Int32Array, axis: 0 | 1): Linear {
  const [outs, ins] = layer.weight.shape as [number, number]
  const size = axis === 0 ? ([ins, rows.length] as const) : ([rows.length, outs] as const)
  const weight = pick(layer.weight, rows, axis)
  const small = new Linear(size[0], size[1], {
    weight,
    bias: layer.bias !== undefined,
    activation: layer.activation,
    biasInit: layer.bias?.init ?? zerosInit,
  })
  if (layer.bias && small.bias) {
    small.bias.trainable = layer.bias.trainable
    const { bias } = layer
    if (bias.hasValue) {
      tidy(() => {
        const index = tensor(rows, [rows.length], 'int32')
        small.bias!.assign(axis === 0 ? gather(bias.value, index) : bias.value)
      })
    }
  }
  layer[Symbol.dispose]()
  return small
}
