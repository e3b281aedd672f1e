import {
  add,
  keep,
  type Module,
  mul,
  type Rng,
  type Scalar,
  type Tensor,
  training,
  valueAndGrads,
} from '@filature/tensor'
import { type Clipping, clipByValue, clippingFactor } from './clipping.ts'
import type { Optimizer } from './optimizers/optimizer.ts'

export interface GradientStep<B> {
  readonly model: Module
  readonly loss: (batch: B) => Scalar
  /** Their gradients are averaged. */
  readonly batches: readonly B[]
  readonly rng: Rng
  readonly optimizer: Optimizer
  readonly lr: number | undefined
  readonly clipping: Clipping | null
}

/**
 * One step in training mode: loss, gradients, clipping, update. Runs inside a tidy.
 * @returns the mean loss, and the norm of the gradients before clipping by norm; both are kept: the caller frees them
 */
export function gradientStep<B>(it: GradientStep<B>): { loss: Scalar; norm: Scalar | null } {
  const { model, loss, batches, rng, optimizer, lr, clipping } = it
  const part = 1 / batches.length
  let total: Scalar | undefined
  let grads = new Map<string, Tensor>()
  batches.forEach((batch, i) => {
    const { value, grads: these } = training(model, batches.length === 1 ? rng : rng.fork(i), () =>
      valueAndGrads(model, () => (part === 1 ? loss(batch) : mul(loss(batch), part))),
    )
    total = total ? add(total, value) : value
    grads = total === value ? these : summed(grads, these)
  })
  let norm: Scalar | null = null
  let factor: Scalar | undefined
  if (clipping && 'value' in clipping) grads = clipByValue(grads, clipping.value)
  else if (clipping) {
    const { factor: scale, totalNorm } = clippingFactor(grads, clipping.norm, clipping.type)
    factor = scale
    norm = keep(totalNorm)
  }
  optimizer.step(grads, lr, factor)
  return { loss: keep(total!), norm }
}

/** Adds by path; frees what it has added up. */
function summed(a: Map<string, Tensor>, b: Map<string, Tensor>): Map<string, Tensor> {
  const out = new Map(a)
  for (const [path, g] of b) {
    const before = out.get(path)
    out.set(path, before ? add(before, g) : g)
    if (before) {
      before.dispose()
      g.dispose()
    }
  }
  return out
}
