import { Rng, type Shape, sizeOf, type Tensor, tensor } from '@filature/tensor'

/** Numbers that float32 holds exactly, so that a process in doubles sees the same ones. */
const exactly = (values: ArrayLike<number>) => Float64Array.from(values, Math.fround)

/** Deterministic standard normal numbers by name: the same on every backend, in every process, in any order. */
export function randomNumbers(name: string, count: number, { mean = 0, std = 1 } = {}): Float64Array {
  return exactly(new Rng(20260).fork(name).normal(count, mean, std))
}

/** A deterministic normal tensor; the name chooses the numbers. */
export function randomTensor(name: string, shape: Shape, spread: { mean?: number; std?: number } = {}): Tensor {
  return tensor(Float32Array.from(randomNumbers(name, sizeOf(shape), spread)), [...shape])
}

/** Deterministic ids in 0..bound-1. */
export function randomIds(name: string, shape: Shape, bound: number): Tensor {
  const rng = new Rng(20261).fork(name)
  return tensor(
    Int32Array.from({ length: sizeOf(shape) }, () => rng.integer(bound)),
    [...shape],
    'int32',
  )
}
