import { getKernel, getKernelsForBackend, type KernelFunc, registerKernel } from '@tensorflow/tfjs-core'
import type { NativeBackend } from './backend.ts'
import { attention } from './kernels/attention.ts'
import { blocks } from './kernels/blocks.ts'
import { dense } from './kernels/dense.ts'
import { elementwise } from './kernels/elementwise.ts'
import { fused } from './kernels/fused.ts'
import type { Inputs, Kernel, Kernels } from './kernels/kernel.ts'
import { optimizers } from './kernels/optimizers.ts'
import { recurrent } from './kernels/recurrent.ts'
import { reduce } from './kernels/reduce.ts'
import { shape } from './kernels/shape.ts'

const own: Kernels = {
  ...blocks,
  ...dense,
  ...elementwise,
  ...shape,
  ...reduce,
  ...fused,
  ...attention,
  ...recurrent,
  ...optimizers,
}

const missing = (name: string) => () => {
  throw new Error(`${name}: the native backend has no kernel for these inputs`)
}

/** Every kernel of tfjs' cpu engine under the name of this backend, ours in place of the hot and the aliasing ones. */
export function registerKernels(backendName: string): void {
  for (const config of getKernelsForBackend('cpu')) {
    const kernel = own[config.kernelName]
    registerKernel({
      ...config,
      backendName,
      kernelFunc: kernel ? wrapped(kernel, config.kernelFunc) : config.kernelFunc,
    })
  }
  for (const [kernelName, kernel] of Object.entries(own)) {
    if (getKernel(kernelName, backendName)) continue
    registerKernel({ kernelName, backendName, kernelFunc: wrapped(kernel, missing(kernelName)) })
  }
}

function wrapped(kernel: Kernel, fallback: KernelFunc): KernelFunc {
  return (params) => {
    const backend = params.backend as NativeBackend
    const run = { backend, addon: backend.addon, otherwise: () => fallback(params) }
    return backend.guarded(() => kernel(params.inputs as Inputs, params.attrs ?? {}, run))
  }
}
