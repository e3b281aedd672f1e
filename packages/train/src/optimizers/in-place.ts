import { keep, type Parameter, runUpdate, type Tensor } from '@filature/tensor'
import type { Slots } from './optimizer.ts'

/**
 * The step by the backend's kernel `Filature<name>`, which changes the parameter and its slots where they lie. What
 * shares its data with another tensor is replaced instead.
 * @returns false where the backend has no such kernel
 */
export function stepByKernel(name: string, parameter: Parameter, grad: Tensor, slots: Slots, attrs: object): boolean {
  const results = runUpdate(name, { param: parameter.value, grad, ...slots.tensors }, attrs)
  if (!results) return false
  const [value, ...tensors] = results
  if (!value) return true
  parameter.assign(value)
  value.dispose()
  Object.keys(slots.tensors).forEach((slot, i) => {
    slots.tensors[slot]!.dispose()
    slots.tensors[slot] = keep(tensors[i]!)
  })
  return true
}
