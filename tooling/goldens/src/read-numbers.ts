import { clone, keep, type Tensor } from '@filature/tensor'
import type { Numbers, Value } from './adapter.ts'

/**
 * The plain numbers of what an adapter handed over. A tensor is copied at once, so that its owner may free it.
 * Plain numbers without a shape take the expected one when they are as many.
 */
export async function readNumbers(value: Value, expected: Numbers): Promise<Numbers> {
  if (isTensor(value)) return readTensor(keep(clone(value)))
  if (typeof value === 'number') return { shape: [], data: [value] }
  if ('shape' in value && 'data' in value) return value
  const data = value as ArrayLike<number>
  return { shape: data.length === expected.data.length ? expected.shape : [data.length], data }
}

async function readTensor(x: Tensor): Promise<Numbers> {
  try {
    return { shape: x.shape, data: Float64Array.from((await x.data()) as ArrayLike<number>) }
  } finally {
    x.dispose()
  }
}

export const isTensor = (x: unknown): x is Tensor => typeof x === 'object' && x !== null && 'dataId' in x
