import { engine } from '../engine.ts'
import { callKernel, kernelOf } from '../kernel-call.ts'
import type { Tensor } from '../types.ts'

/**
 * Runs the active backend's kernel `Filature<name>` for an optimizer step on several parameters: inputs `param`, `grad`
 * and the optimizer's state by name, each a list with one tensor a parameter, and perhaps `factor`, a scalar that
 * multiplies the gradients. The kernel changes parameters and state where they lie, so their data must be shared with no
 * other tensor (see `sharesData`).
 * @returns false where the backend has no such kernel
 */
export function runUpdate(name: string, inputs: Record<string, readonly Tensor[]>, attrs: object): boolean {
  const kernel = `Filature${name}`
  if (!kernelOf(kernel)) return false
  callKernel({ kernelName: kernel, inputs: inputs as unknown as Record<string, Tensor>, attrs }, false)
  return true
}

/** Whether another tensor has the data of `x` too: a clone, or a view of another shape. */
export function sharesData(x: Tensor): boolean {
  return (engine.state.tensorInfo.get(x.dataId)?.backend.refCount(x.dataId) ?? 1) > 1
}
