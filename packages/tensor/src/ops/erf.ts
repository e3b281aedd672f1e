import * as tf from '#tfjs'
import { engine } from '../engine.ts'
import { hasKernel } from '../fused/op.ts'
import type { Tensor } from '../types.ts'
import { clip } from './elementwise.ts'

// Cody 1969, "Rational Chebyshev approximations for the error function": relative error below 1e-16 on each interval,
// so the definition is exact to rounding in float32 and in float64. (tfjs' own kernel is off by 1e-7.)
const SMALL = {
  p: [
    3.209377589138469472562e3, 3.774852376853020208137e2, 1.138641541510501556495e2, 3.161123743870565596947,
    1.85777706184603152673e-1,
  ],
  q: [2.844236833439170622273e3, 1.282616526077372275645e3, 2.440246379344441733056e2, 2.360129095234412093499e1, 1],
}
const MIDDLE = {
  p: [
    1.23033935479799725272e3, 2.05107837782607146532e3, 1.71204761263407058314e3, 8.81952221241769090411e2,
    2.98635138197400131132e2, 6.61191906371416294775e1, 8.88314979438837594118, 5.6418849698867008918e-1,
    2.15311535474403846343e-8,
  ],
  q: [
    1.23033935480374942043e3, 3.43936767414372163696e3, 4.3626190901432471582e3, 3.29079923573345962678e3,
    1.62138957456669018874e3, 5.37181101862009857509e2, 1.17693950891312499305e2, 1.57449261107098347253e1, 1,
  ],
}

function polynomial<T extends Tensor>(x: T, coefficients: number[]): T {
  let y = tf.fill(x.shape, coefficients.at(-1)!) as T
  for (let i = coefficients.length - 2; i >= 0; i--) y = tf.add(tf.mul(y, x), coefficients[i]!)
  return y
}

/** erf in plain ops: below 0.5 an odd rational of x, above it 1 - exp(-x^2) times a rational of |x|. */
function composedErf<T extends Tensor>(x: T): T {
  const small = clip(x, -0.5, 0.5)
  const square = tf.square(small)
  const near = tf.div(tf.mul(small, polynomial(square, SMALL.p)), polynomial(square, SMALL.q))
  // beyond 6, 1 - erf(x) is below 1e-16
  const large = clip(tf.abs(x), 0.46875, 6)
  const tail = tf.div(
    tf.mul(tf.exp(tf.neg(tf.square(large))), polynomial(large, MIDDLE.p)),
    polynomial(large, MIDDLE.q),
  )
  const far = tf.mul(tf.sign(x), tf.sub(1, tail))
  return tf.where(tf.lessEqual(tf.abs(x), 0.5), near, far as Tensor) as T
}

/** The error function, exact to rounding; derivative 2 / sqrt(pi) exp(-x^2). A backend's kernel is `FilatureErf`. */
export function erf<T extends Tensor>(x: T): T {
  return engine.runKernelFunc({
    inputs: { x },
    forwardFunc: (_, save) => {
      save([x])
      const kernel = x.dtype === 'float32' && hasKernel({ name: 'Erf' })
      return kernel ? (engine.runKernel('FilatureErf', { x }) as T) : composedErf(x)
    },
    backwardsFunc: (dy, [saved]) => ({
      x: () => tf.mul(tf.mul(dy as Tensor, tf.exp(tf.neg(tf.square(saved!)))), 2 / Math.sqrt(Math.PI)),
    }),
  }) as T
}
