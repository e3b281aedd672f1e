import {
  hasKernel,
  keep,
  mul,
  type Parameter,
  runUpdate,
  type Scalar,
  sharesData,
  type Tensor,
  tidy,
} from '@filature/tensor'

/** A backend's kernel `Filature<name>` that makes the step where parameters and slots lie, with its attributes. */
export interface KernelStep {
  readonly name: string
  readonly attrs: object
}

/** A parameter with its gradient and what the optimizer remembers of it. */
export interface Changed {
  readonly parameter: Parameter
  readonly grad: Tensor
  readonly slots: Record<string, Tensor>
}

/**
 * One step on all of them by the backend's kernel, their gradients times the factor.
 * What shares its data with another tensor gets data of its own first. All have the same slots.
 * @returns false where the backend has no such kernel
 */
export function stepByKernel(
  { name, attrs }: KernelStep,
  changed: readonly Changed[],
  factor: Scalar | undefined,
): boolean {
  if (!hasKernel({ name })) return false
  for (const { parameter, slots } of changed) {
    if (sharesData(parameter.value)) tidy(() => parameter.assign(copy(parameter.value)))
    for (const slot in slots) {
      const before = slots[slot]!
      if (!sharesData(before)) continue
      slots[slot] = keep(copy(before))
      before.dispose()
    }
  }
  const inputs: Record<string, Tensor[]> = {
    ...(factor && { factor: [factor] }),
    param: changed.map(({ parameter }) => parameter.value),
    grad: changed.map(({ grad }) => grad),
  }
  for (const slot in changed[0]?.slots) inputs[slot] = changed.map(({ slots }) => slots[slot]!)
  return runUpdate(name, inputs, attrs)
}

const copy = (x: Tensor): Tensor => mul(x, 1)
