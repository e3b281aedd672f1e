import * as tf from '#tfjs'

type Kernel = tf.KernelFunc

/** Kernels of tfjs' cpu engine that are wrong, or need time that grows with the square: name, and the mended one. */
const repairs: Record<string, (theirs: Kernel) => Kernel> = {
  /** Theirs writes into its input: this one writes into a copy. */
  TensorScatterUpdate:
    (theirs) =>
    ({ inputs, backend, attrs }) => {
      const cpu = backend as tf.KernelBackend
      const { shape, dtype, dataId } = inputs.tensor as tf.TensorInfo
      const values = (cpu.readSync(dataId) as Float32Array).slice()
      const copy = { shape, dtype, dataId: cpu.write(values, shape, dtype) }
      const out = theirs({ inputs: { ...inputs, tensor: copy }, backend, attrs })
      cpu.disposeData(copy.dataId)
      return out
    },

  /** The gradient of gathered rows. Theirs goes through all rows once for each segment: a vocabulary's, a sequence's. */
  UnsortedSegmentSum: (theirs) => (call) => {
    const cpu = call.backend as tf.KernelBackend
    const { x, segmentIds } = call.inputs as { x: tf.TensorInfo; segmentIds: tf.TensorInfo }
    const count = (call.attrs as unknown as { numSegments: number }).numSegments
    if (x.dtype !== 'float32' || segmentIds.shape.length !== 1) return theirs(call)
    const rows = segmentIds.shape[0]!
    const width = tf.util.sizeFromShape(x.shape.slice(1))
    const values = cpu.readSync(x.dataId) as Float32Array
    const ids = cpu.readSync(segmentIds.dataId) as Int32Array
    const sums = new Float64Array(count * width)
    for (let row = 0; row < rows; row++) {
      const at = ids[row]! * width
      if (ids[row]! < 0 || ids[row]! >= count) continue
      for (let c = 0; c < width; c++) sums[at + c]! += values[row * width + c]!
    }
    const shape = [count, ...x.shape.slice(1)]
    return { shape, dtype: 'float32', dataId: cpu.write(Float32Array.from(sums), shape, 'float32') }
  },
}

/** Puts the mended kernels in their place, once. */
export function mendCpu(): void {
  for (const [kernelName, repair] of Object.entries(repairs)) {
    const theirs = tf.getKernel(kernelName, 'cpu')
    if (!theirs || mended.has(theirs)) continue
    const config: tf.KernelConfig = { ...theirs, kernelFunc: repair(theirs.kernelFunc) }
    mended.add(config)
    tf.unregisterKernel(kernelName, 'cpu')
    tf.registerKernel(config)
  }
}

const mended = new WeakSet<tf.KernelConfig>()
