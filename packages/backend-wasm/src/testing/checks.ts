// Runs a kernel by name and holds it, and its gradient kernel, against a float64 definition.
import * as tf from '@tensorflow/tfjs-core'
import { expect } from 'vitest'
import type { Array64, Arrays } from './reference.ts'

/** A stream of normal draws that does not depend on anything else. */
export function draws(seed: number): () => number {
  let state = seed >>> 0
  const uniform = () => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0
    return (state + 0.5) / 2 ** 32
  }
  return () => Math.sqrt(-2 * Math.log(uniform())) * Math.cos(2 * Math.PI * uniform())
}

/** Normal draws, rounded to float32 so that both sides start from the same numbers. */
export function random(shape: number[], seed: number, scale = 1): Array64 {
  const next = draws(seed * 7919 + 17)
  return {
    shape,
    data: Float64Array.from({ length: shape.reduce((n, d) => n * d, 1) }, () => Math.fround(next() * scale)),
  }
}

export const ids = (values: number[], shape = [values.length]): Array64 & { ids: true } => ({
  shape,
  data: Float64Array.from(values),
  ids: true,
})

export function toTensor(x: Array64): tf.Tensor {
  return 'ids' in x
    ? tf.tensor(Int32Array.from(x.data), x.shape, 'int32')
    : tf.tensor(Float32Array.from(x.data), x.shape, 'float32')
}

/** Largest difference relative to the largest magnitude of what was wanted (at least `floor`: what is zero by cancellation has rounding alone). */
export function relativeError(got: ArrayLike<number>, wanted: ArrayLike<number>, floor = 0.1): number {
  expect(got.length).toBe(wanted.length)
  let scale = floor
  let worst = 0
  for (let i = 0; i < wanted.length; i++) scale = Math.max(scale, Math.abs(wanted[i]!))
  for (let i = 0; i < wanted.length; i++) {
    const error = got[i] === wanted[i] ? 0 : Math.abs(got[i]! - wanted[i]!)
    worst = error <= worst ? worst : Number.isNaN(error) ? Number.POSITIVE_INFINITY : error
  }
  return worst / scale
}

export interface Case {
  op: string
  inputs: Arrays
  attrs?: object
  outputs: string[]
  hidden?: string[]
  define: (inputs: Arrays) => Array64[]
  /** Inputs that have a gradient. */
  wrt: string[]
  forward?: number
  gradient?: number
}

const given = (inputs: Arrays) => Object.entries(inputs).filter(([, x]) => x !== undefined)

/** Forward and gradient of one case; every element of small inputs, random directions of large ones. */
export function check({ op, inputs, attrs = {}, outputs, hidden = [], define, wrt, ...tolerance }: Case): void {
  const engine = tf.engine()
  const before = { tensors: tf.memory().numTensors, data: engine.backend.numDataIds() }
  tf.tidy(() => {
    const tensors = Object.fromEntries(given(inputs).map(([name, x]) => [name, toTensor(x)]))
    const run = (forGradient: boolean) =>
      engine.runKernel(`Filature${op}`, tensors, { ...attrs, forGradient } as never) as unknown as tf.Tensor[]
    const wanted = define(inputs)
    run(false)
      .slice(0, outputs.length)
      .forEach((y, i) => {
        expect(y.shape).toEqual(wanted[i]!.shape)
        expect(relativeError(y.dataSync(), wanted[i]!.data), `${op} ${outputs[i]}`).toBeLessThan(
          tolerance.forward ?? 3e-6,
        )
      })
    const results = run(true)
    const saved = Object.fromEntries([...outputs, ...hidden].map((name, i) => [name, results[i]!]))
    const upstream = wanted.map((y, i) => random(y.shape, 900 + i))
    const dys = Object.fromEntries(outputs.map((name, i) => [`d_${name}`, toTensor(upstream[i]!)]))
    const grads = engine.runKernel(`Filature${op}Grad`, { ...tensors, ...saved, ...dys }, {
      ...attrs,
      needs: wrt,
    } as never) as unknown as tf.Tensor[]
    const loss = (changed: Arrays) =>
      define(changed).reduce((sum, y, i) => sum + y.data.reduce((s, v, j) => s + v * upstream[i]!.data[j]!, 0), 0)
    wrt.forEach((name, i) => {
      expect(grads[i]!.shape, `${op} gradient of ${name}`).toEqual(inputs[name]!.shape)
      const [got, expected] = derivatives(grads[i]!.dataSync(), inputs, name, loss)
      expect(relativeError(got, expected), `${op} gradient of ${name}`).toBeLessThan(tolerance.gradient ?? 1e-5)
    })
  })
  expect({ tensors: tf.memory().numTensors, data: engine.backend.numDataIds() }).toEqual(before)
}

const EVERY_ELEMENT = 24
const STEP = 1e-5

/** What the kernel says and what finite differences say: of each element, or along a few random directions. */
function derivatives(grad: ArrayLike<number>, inputs: Arrays, name: string, loss: (inputs: Arrays) => number) {
  const x = inputs[name]!
  const along = (direction: (i: number) => number) => {
    const moved = (step: number) =>
      loss({ ...inputs, [name]: { shape: x.shape, data: x.data.map((v, i) => v + step * direction(i)) } })
    return (moved(STEP) - moved(-STEP)) / (2 * STEP)
  }
  if (x.data.length <= EVERY_ELEMENT) {
    return [grad, Array.from(x.data, (_, e) => along((i) => (i === e ? 1 : 0)))] as const
  }
  const got: number[] = []
  const wanted: number[] = []
  for (let d = 0; d < 2; d++) {
    const { data } = random(x.shape, 5000 + d)
    got.push(data.reduce((s, v, i) => s + v * grad[i]!, 0))
    wanted.push(along((i) => data[i]!))
  }
  return [got, wanted] as const
}
