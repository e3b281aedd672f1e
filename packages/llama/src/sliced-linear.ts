import { add, concat, Linear, type LinearOptions, linear, narrow, type Tensor } from '@filature/tensor'

/**
 * A Linear computed in slices, as models were trained on several devices: of its outputs (rows of the weight, joined)
 * or of its inputs (columns, summed). The same function up to rounding.
 */
export class SlicedLinear extends Linear {
  readonly slices: number
  readonly by: 'outputs' | 'inputs'

  constructor(
    inFeatures: number,
    outFeatures: number,
    slices: number,
    by: 'outputs' | 'inputs',
    options: LinearOptions,
  ) {
    super(inFeatures, outFeatures, options)
    this.slices = slices
    this.by = by
  }

  override forward<T extends Tensor>(x: T): T {
    if (this.slices === 1) return super.forward(x)
    const weight = this.weight.value
    const axis = this.by === 'outputs' ? 0 : 1
    const size = weight.shape[axis]! / this.slices
    const parts = Array.from({ length: this.slices }, (_, i) => {
      const slice = narrow(weight, axis, i * size, (i + 1) * size)
      return this.by === 'outputs' ? linear(x, slice) : linear(narrow(x, -1, i * size, (i + 1) * size), slice)
    })
    const y = this.by === 'outputs' ? concat(parts, x.rank - 1) : parts.reduce((sum, part) => add(sum, part))
    return this.bias ? add(y, this.bias.value) : y
  }
}
