import * as tf from '#tfjs'
import { engine, type KernelCall } from './engine.ts'
import { UsageError } from './errors.ts'

type Tensor = tf.Tensor

const withReports = engine.runKernelFunc.bind(engine)

/** Kernels found, of the active backend: tfjs' own look-up makes a string each time. */
const found = new Map<string, tf.KernelConfig>()
let foundFor = ''

/** The active backend's kernel of that name, where it has one. */
export function kernelOf(name: string): tf.KernelConfig | undefined {
  const backendName = engine.backendName ?? tf.getBackend()
  if (backendName !== foundFor) forgetKernels(backendName)
  const known = found.get(name)
  if (known) return known
  const kernel = tf.getKernel(name, backendName)
  if (kernel) found.set(name, kernel)
  return kernel
}

/** To be called when kernels may have been registered anew. */
export function forgetKernels(backendName = ''): void {
  found.clear()
  foundFor = backendName
}

/** A second, kept handle on the data of `x`, off every tape: what is saved for the way back. */
export function alias<T extends Tensor>(x: T): T {
  const info = engine.state.tensorInfo.get(x.dataId)
  if (!info || x.dtype === 'complex64' || x.dtype === 'string') return engine.keep(engine.clone(x))
  info.backend.incRef(x.dataId)
  return engine.keep(engine.makeTensorFromTensorInfo(x, info.backend)) as T
}

/** Runs `fn` with the tape stopped, as inside a kernel. */
export function offTape<T>(fn: () => T): T {
  engine.state.kernelDepth++
  try {
    return fn()
  } finally {
    engine.state.kernelDepth--
  }
}

/**
 * What tfjs' `runKernelFunc` does, without the bookkeeping for its debugger, profiler and leak check (their modes go
 * the old way) and with saved tensors as aliases instead of clones through a kernel and the tape.
 */
export function callKernel(call: KernelCall, recording: boolean): Tensor | Tensor[] {
  const flags = tf.env()
  if (engine.state.profiling || flags.getBool('DEBUG') || flags.getBool('IS_TEST')) {
    return recording ? withReports(call) : offTape(() => withReports(call))
  }
  return call.kernelName === undefined ? callFunctions(call, recording) : callNamed(call, call.kernelName, recording)
}

function callNamed({ inputs, attrs }: KernelCall, name: string, recording: boolean): Tensor | Tensor[] {
  const { backend } = engine // the first use of a backend sets it up
  const kernel = kernelOf(name)!
  const out = offTape(() => {
    try {
      return kernel.kernelFunc({ inputs, attrs: attrs as tf.NamedAttrMap, backend })
    } catch (error) {
      throw disposedInput(name, inputs) ?? error
    }
  })
  const infos = Array.isArray(out) ? out : [out]
  const outputs = infos.map((info) => ('rank' in info ? info : engine.makeTensorFromTensorInfo(info)) as Tensor)
  if (recording) {
    const saved = engine.getTensorsForGradient(name, inputs, outputs).map(alias)
    engine.addTapeNode(name, inputs, outputs, null, saved, attrs)
  }
  return Array.isArray(out) ? outputs : outputs[0]!
}

/** What to say when a kernel failed because of a tensor that is gone; undefined when it failed otherwise. */
function disposedInput(kernel: string, inputs: Record<string, Tensor>): UsageError | undefined {
  const gone = Object.keys(inputs).find((name) => inputs[name]?.isDisposed)
  return gone === undefined
    ? undefined
    : new UsageError(
        'disposed',
        `${kernel}: its input ${gone} [${inputs[gone]!.shape}] has been disposed; ` +
          'keep(...) what outlives a tidy, and read parameters anew after a training step.',
      )
}

function callFunctions(call: KernelCall, recording: boolean): Tensor | Tensor[] {
  const { inputs, attrs, forwardFunc, backwardsFunc } = call
  let saved: Tensor[] = []
  const save = (tensors: Tensor[]) => {
    if (recording) saved = tensors.map(alias)
  }
  const out = offTape(() => tf.tidy(() => forwardFunc!(engine.backend, save) as tf.TensorContainer)) as
    | Tensor
    | Tensor[]
  if (recording) {
    engine.addTapeNode('custom', inputs, Array.isArray(out) ? out : [out], backwardsFunc!, saved, attrs)
  }
  return out
}
