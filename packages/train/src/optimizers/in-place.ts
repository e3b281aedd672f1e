import { keep, type Parameter, runUpdate, type Tensor } from '@filature/tensor'

/**
 * The step by the backend's kernel `Filature<name>`, which changes the parameter and its slots where they lie. What
 * shares its data with another tensor is replaced instead.
 * @returns false where the backend has no such kernel
 */
export function stepByKernel(
  name: string,
  parameter: Parameter,
  grad: Tensor,
  slots: Record<string, Tensor>,
  attrs: object,
): boolean {
  const results = runUpdate(name, { param: parameter.value, grad, ...slots }, attrs)
  if (!results) return false
  const [value, ...tensors] = results
  if (!value) return true
  parameter.assign(value)
  value.dispose()
  Object.keys(slots).forEach((slot, i) => {
    slots[slot]!.dispose()
    slots[slot] = keep(tensors[i]!)
  })
  return true
}
