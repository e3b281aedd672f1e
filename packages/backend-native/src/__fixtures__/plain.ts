import * as tf from '@tensorflow/tfjs-core'
import { expect } from 'vitest'
import { loadAddon } from '../addon.ts'

export const sets = () => {
  try {
    return loadAddon().isas().split(' ')
  } catch {
    return []
  }
}

/** The same numbers at every call: an LCG, from -1 to 1. */
export function numbers(n: number, seed = 1): Float32Array {
  let s = seed >>> 0
  return Float32Array.from({ length: n }, () => {
    s = (Math.imul(s, 1664525) + 1013904223) >>> 0
    return s / 2 ** 31 - 1
  })
}
export const sizeOf = (shape: readonly number[]) => shape.reduce((a, b) => a * b, 1)
export const make = (shape: number[], seed = 1) => tf.tensor(numbers(sizeOf(shape), seed), shape)

export function close(got: ArrayLike<number>, wanted: ArrayLike<number>, tolerance = 1e-5): void {
  expect(got.length).toBe(wanted.length)
  let scale = 0.1
  for (let i = 0; i < wanted.length; i++) if (Number.isFinite(wanted[i])) scale = Math.max(scale, Math.abs(wanted[i]!))
  for (let i = 0; i < wanted.length; i++) {
    if (Object.is(got[i], wanted[i]) || got[i] === wanted[i] || (Number.isNaN(got[i]) && Number.isNaN(wanted[i])))
      continue
    if (!(Math.abs(got[i]! - wanted[i]!) <= tolerance * scale)) {
      throw new Error(`at ${i}: ${got[i]} instead of ${wanted[i]}`)
    }
  }
}

/** Runs `fn` on the cpu engine. */
export async function onCpu<T>(fn: () => T): Promise<T> {
  await tf.setBackend('cpu')
  try {
    return fn()
  } finally {
    await tf.setBackend('native')
  }
}

