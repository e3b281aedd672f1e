import * as tf from '#tfjs'
import { engine, type TapeNode } from './engine.ts'
import { UsageError } from './errors.ts'
import { callKernel, kernelOf } from './kernel-call.ts'
import { keep } from './memory.ts'
import type { Tensor } from './types.ts'

/** Names of the inputs whose gradient the walk wants from the node at hand; null outside the walk. */
let wanted: ReadonlySet<string> | null = null

/** For gradient functions that compute several input gradients in one kernel: is this one wanted? */
export function gradientWanted(input: string): boolean {
  return wanted === null || wanted.has(input)
}

/** While recording with known sources: ids of the tensors that depend on them; all others need no tape. */
let dependent: Set<number> | null = null

/** Whether a call with these inputs is to be recorded: the tape is on, and one of them depends on a source. */
export function isRecorded(inputs: Record<string, Tensor>): boolean {
  if (!engine.isTapeOn()) return false
  if (dependent === null) return true
  for (const name in inputs) {
    const x = inputs[name]
    if (x && dependent.has(x.id)) return true
  }
  return false
}

/** Notes that float outputs of a recorded call depend on what it was recorded for. */
export function markDependent(outputs: readonly Tensor[]): void {
  if (dependent) for (const y of outputs) if (y.dtype === 'float32') dependent.add(y.id)
}

// A call whose inputs depend on no source runs off the tape, so that frozen parts keep no activations.
engine.runKernelFunc = (call) => {
  const recording = isRecorded(call.inputs)
  const outputs = callKernel(call, recording)
  if (recording) markDependent(Array.isArray(outputs) ? outputs : [outputs])
  return outputs
}
const reportMissing = engine.runKernel.bind(engine)
engine.runKernel = (kernelName, inputs, attrs) => {
  if (!kernelOf(kernelName)) return reportMissing(kernelName, inputs, attrs)
  return engine.runKernelFunc({ kernelName, inputs: inputs as Record<string, Tensor>, attrs: attrs as object })
}

/** Runs `fn` with a fresh tape, whatever was being recorded around it, and returns what it recorded. */
function record<T>(fn: () => T, sources: Tensor[] | null): { result: T; tape: TapeNode[] } {
  const { state } = engine
  const { activeTape, gradientDepth, kernelDepth } = state
  const outerDependent = dependent
  dependent = sources && new Set(sources.map((x) => x.id))
  state.gradientDepth = 0
  state.kernelDepth = 0
  engine.startTape()
  try {
    const result = tf.tidy(fn as () => tf.TensorContainer) as T
    return { result, tape: state.activeTape! }
  } catch (error) {
    for (const node of state.activeTape ?? []) for (const tensor of node.saved ?? []) tensor.dispose()
    throw error
  } finally {
    state.activeTape = activeTape
    state.gradientDepth = gradientDepth
    state.kernelDepth = kernelDepth
    dependent = outerDependent
  }
}

/** Ids of all float tensors that depend on `sources`, the sources among them. */
function reachedFrom(sources: Iterable<Tensor>, tape: TapeNode[]): Set<number> {
  const ids = new Set<number>()
  for (const x of sources) ids.add(x.id)
  for (const node of tape) {
    for (const key in node.inputs) {
      if (ids.has(node.inputs[key]!.id)) {
        // comparisons, arg max and the like end the flow: nothing differentiable comes out of them
        for (const output of node.outputs) if (output.dtype === 'float32') ids.add(output.id)
        break
      }
    }
  }
  return ids
}

/** The gradients that flow backward, by tensor id; each is freed as soon as it has been passed on. */
class Flow {
  #byId = new Map<number, Tensor>()

  get(x: Tensor): Tensor | undefined {
    return this.#byId.get(x.id)
  }

  add(x: Tensor, gradient: Tensor): void {
    const before = this.#byId.get(x.id)
    if (!before) {
      this.#byId.set(x.id, keep(gradient))
      return
    }
    this.#byId.set(x.id, keep(tf.add(before, gradient))) // the summand goes with the scope around
    before.dispose()
  }

  /** Hands the gradient over to the tidy of whoever asks; asked again, a clone. */
  take(x: Tensor): Tensor | null {
    const gradient = this.#byId.get(x.id)
    if (!gradient) return null
    if (!gradient.kept) return tf.clone(gradient)
    gradient.kept = false
    return engine.track(gradient)
  }

  drop(x: Tensor): void {
    this.#byId.get(x.id)?.dispose()
    this.#byId.delete(x.id)
  }

  dispose(): void {
    for (const gradient of this.#byId.values()) if (gradient.kept) gradient.dispose()
    this.#byId.clear()
  }
}

/** One node: its wanted input gradients, in one call, so that a joint kernel runs once with its inputs alive. */
function backward(node: TapeNode, flow: Flow, reached: Set<number>): void {
  const inputs = Object.entries(node.inputs).filter(([, x]) => reached.has(x.id))
  const dys = node.outputs.map((y) => flow.get(y) ?? null)
  if (!inputs.length || dys.every((dy) => dy === null)) return
  if (!node.gradient) {
    throw new UsageError(
      'no-gradient',
      `The op ${node.kernelName} has no gradient, but a wanted tensor flows through it; ` +
        'wrap that part in frozen(...) or use a differentiable op.',
    )
  }
  const outer = wanted
  wanted = new Set(inputs.map(([name]) => name))
  engine.startScope()
  try {
    const byName = node.gradient(dys)
    for (const [name, x] of inputs) {
      const gradient = byName[name]
      if (!gradient) {
        throw new UsageError('no-gradient', `The gradient of ${node.kernelName} leaves out its input ${name}.`)
      }
      const dx = gradient() as tf.Tensor | null
      if (!dx) continue // a recomputed part in which that input plays no part
      // The same tensor may be handed out twice, or be dy itself: the flow owns each of its tensors alone, kept.
      flow.add(x, dx.kept ? tf.clone(dx) : x.dtype === 'float32' ? dx : tf.cast(dx, 'float32'))
    }
  } finally {
    engine.endScope()
    wanted = outer
  }
}

export interface Differentiated<T> {
  /** What `fn` returned; tracked by the surrounding tidy. */
  value: T
  /** One gradient for each source, or null where the result does not depend on it. */
  grads: (Tensor | null)[]
}

/**
 * Runs `fn` and walks the engine's tape backward from its results.
 *
 * Saved activations and activation gradients are freed node by node, so the peak is about half of tfjs' own; calls
 * nest (a gradient function may differentiate a recomputed part).
 *
 * @param sources the tensors to differentiate by: parameters, inputs, or tensors made while `fn` runs (a function is
 *   asked after the forward pass)
 * @param cotangents the gradients of the results that start the walk; ones for a scalar when left out
 */
export function differentiate<T extends Tensor | Tensor[]>(
  fn: () => T,
  sources: Tensor[] | (() => Tensor[]),
  cotangents?: (Tensor | null)[],
): Differentiated<T> {
  const { result, tape } = record(fn, typeof sources === 'function' ? null : sources)
  const flow = new Flow()
  let next = tape.length - 1
  try {
    const xs = typeof sources === 'function' ? sources() : sources
    const results: Tensor[] = Array.isArray(result) ? result : [result]
    const reached = reachedFrom(xs, tape)
    results.forEach((y, i) => {
      const dy = cotangents ? cotangents[i] : tf.onesLike(y)
      if (dy && reached.has(y.id)) flow.add(y, cotangents ? tf.clone(dy) : dy)
      else if (!cotangents) dy?.dispose()
    })
    const sourceIds = new Set(xs.map((x) => x.id))
    for (; next >= 0; next--) {
      const node = tape[next]!
      if (node.outputs.some((y) => reached.has(y.id))) {
        backward(node, flow, reached)
        for (const y of node.outputs) if (!sourceIds.has(y.id)) flow.drop(y)
      }
      for (const tensor of node.saved ?? []) tensor.dispose()
    }
    const grads = xs.map((x) => flow.take(x))
    return { value: result, grads }
  } finally {
    for (; next >= 0; next--) for (const tensor of tape[next]!.saved ?? []) tensor.dispose()
    flow.dispose()
  }
}

/** Value and gradients of a scalar function of tensors; a tensor it does not depend on gets null. Tracked by the tidy around. */
export function valueAndGradsOf(fn: () => tf.Scalar, xs: Tensor[]): { value: tf.Scalar; grads: (Tensor | null)[] } {
  return differentiate(fn, xs)
}
