import {
  abs,
  add,
  ConfigError,
  clip,
  div,
  max,
  minimum,
  mul,
  type Scalar,
  scalar,
  sqrt,
  stack,
  sum,
  sumOfSquares,
  type Tensor,
} from '@filature/tensor'

/** How gradients are held in check: each element to +-`value`, or all together to a norm. */
export type Clipping =
  | { readonly value: number }
  | {
      readonly norm: number
      /** 1, 2 (when left out) or Infinity. */
      readonly type?: NormType
    }
export type NormType = 1 | 2 | typeof Number.POSITIVE_INFINITY

type Gradients = ReadonlyMap<string, Tensor>

const mapValues = (grads: Gradients, fn: (g: Tensor) => Tensor) => new Map([...grads].map(([k, g]) => [k, fn(g)]))

/** Each element held to +-`value`, as `torch.nn.utils.clip_grad_value_`. Tracked by the surrounding tidy. */
export function clipByValue(grads: Gradients, value: number): Map<string, Tensor> {
  if (!(value >= 0)) throw new ConfigError('clip', `clipByValue: wanted a value of at least 0, got ${value}.`)
  return mapValues(grads, (g) => clip(g, -value, value))
}

/** The norm over all elements of all gradients, a scalar tensor. */
export function totalNorm(grads: Gradients, type: NormType = 2): Scalar {
  if (type !== 1 && type !== 2 && type !== Number.POSITIVE_INFINITY) {
    throw new ConfigError('clip', `totalNorm: wanted the norm 1, 2 or Infinity, got ${type}.`)
  }
  if (grads.size === 0) throw new ConfigError('clip', 'totalNorm: wanted at least one gradient, got none.')
  const all = [...grads.values()]
  if (type === 2) return sqrt(sumOfSquares(all))
  const parts = (of: (g: Tensor) => Tensor) => stack(all.map((g) => of(abs(g))))
  return type === 1 ? sum<Scalar>(parts((g) => sum(g))) : max<Scalar>(parts((g) => max(g)))
}

/**
 * What `clipByNorm` multiplies all gradients by: norm / (totalNorm + 1e-6), at most 1. `Optimizer.step` takes it, so that
 * clipping needs no pass of its own.
 */
export function clippingFactor(
  grads: Gradients,
  norm: number,
  type: NormType = 2,
): { factor: Scalar; totalNorm: Scalar } {
  if (!(norm > 0)) throw new ConfigError('clip', `clipping: wanted a norm above 0, got ${norm}.`)
  const total = totalNorm(grads, type)
  return { factor: minimum(div(scalar(norm), add(total, 1e-6)), 1) as Scalar, totalNorm: total }
}

/**
 * All gradients scaled together by norm / (totalNorm + 1e-6) where that is below 1, as
 * `torch.nn.utils.clip_grad_norm_`. Nothing is read back; tracked by the surrounding tidy.
 */
export function clipByNorm(
  grads: Gradients,
  norm: number,
  type: NormType = 2,
): { grads: Map<string, Tensor>; totalNorm: Scalar } {
  const { factor, totalNorm } = clippingFactor(grads, norm, type)
  return { grads: mapValues(grads, (g) => mul(g, factor)), totalNorm }
}
