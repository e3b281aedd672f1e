import { callKernel, kernelOf } from '../kernel-call.ts'
import type { Tensor } from '../types.ts'

/**
 * Runs the active backend's kernel `Filature<name>` for an optimizer step: inputs `param`, `grad` and the optimizer's
 * state by name. The kernel changes the parameter and its state where they lie and the result is empty; where their data
 * are shared with other tensors it gives the new values instead, in the order of the inputs without `grad`.
 * @returns undefined where the backend has no such kernel
 */
export function runUpdate(name: string, inputs: Record<string, Tensor>, attrs: object): Tensor[] | undefined {
  const kernel = `Filature${name}`
  if (!kernelOf(kernel)) return undefined
  return callKernel({ kernelName: kernel, inputs, attrs }, false) as Tensor[]
}
