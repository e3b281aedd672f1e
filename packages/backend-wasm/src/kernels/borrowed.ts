import { BackendError } from '@filature/tensor'
import * as tf from '@tensorflow/tfjs-core'

/**
 * Kernels that the engine lacks or computes wrongly and that no hot path needs: tfjs' JavaScript engine computes them on
 * copies. MaxPoolGrad is wrong there for batches above one, Conv3D's input gradient for most shapes.
 */
const BORROWED = [
  'DepthwiseConv2dNativeBackpropFilter',
  'DepthwiseConv2dNativeBackpropInput',
  'Einsum',
  'MaxPoolGrad',
  'Conv3DBackpropInputV2',
  'RaggedGather',
  'RaggedRange',
  'RaggedTensorToTensor',
  'StaticRegexReplace',
]

type Values = tf.backend_util.BackendValues

/** The kernel of tfjs' JavaScript engine on copies of its inputs. */
export function borrow(kernelName: string): tf.KernelConfig {
  return {
    kernelName,
    backendName: 'wasm',
    kernelFunc: ({ inputs, backend, attrs }) => {
      const theirs = tf.getKernel(kernelName, 'cpu')
      const cpu = tf.findBackend('cpu')
      if (!theirs || !cpu) {
        throw new BackendError(
          'wasm-borrowed',
          `wasm: ${kernelName} is computed by tfjs' cpu engine, and it is not loaded.`,
        )
      }
      const own = backend as tf.KernelBackend
      const held: object[] = []
      const take = ({ dataId, shape, dtype }: tf.TensorInfo): tf.TensorInfo => {
        const copy = cpu.write(own.readSync(dataId) as Values, shape, dtype)
        held.push(copy)
        return { dataId: copy, shape, dtype }
      }
      const give = ({ dataId, shape, dtype }: tf.TensorInfo): tf.TensorInfo => {
        held.push(dataId)
        return { dataId: own.write(cpu.readSync(dataId) as Values, shape, dtype), shape, dtype }
      }
      const taken = Array.isArray(inputs)
        ? inputs.map(take)
        : Object.fromEntries(Object.entries(inputs).map(([name, x]) => [name, take(x as tf.TensorInfo)]))
      const out = theirs.kernelFunc({ inputs: taken as never, backend: cpu, attrs: attrs as never })
      const given = Array.isArray(out) ? out.map(give) : give(out)
      for (const dataId of new Set(held)) cpu.disposeData(dataId, true)
      return given
    },
  }
}

export const borrowed: tf.KernelConfig[] = BORROWED.map(borrow)
