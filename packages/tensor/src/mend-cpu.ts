import * as tf from '#tfjs'

/** tfjs' cpu kernel of `tensorScatterUpdate` writes into its input: here it writes into a copy. */
export function mendCpu(): void {
  const kernelName = 'TensorScatterUpdate'
  const theirs = tf.getKernel(kernelName, 'cpu')
  if (!theirs || mended.has(theirs)) return
  const config: tf.KernelConfig = {
    ...theirs,
    kernelFunc: ({ inputs, backend, attrs }) => {
      const cpu = backend as tf.KernelBackend
      const { shape, dtype, dataId } = inputs.tensor as tf.TensorInfo
      const values = (cpu.readSync(dataId) as Float32Array).slice()
      const copy = { shape, dtype, dataId: cpu.write(values, shape, dtype) }
      const out = theirs.kernelFunc({ inputs: { ...inputs, tensor: copy }, backend, attrs })
      cpu.disposeData(copy.dataId)
      return out
    },
  }
  mended.add(config)
  tf.unregisterKernel(kernelName, 'cpu')
  tf.registerKernel(config)
}

const mended = new WeakSet<tf.KernelConfig>()
