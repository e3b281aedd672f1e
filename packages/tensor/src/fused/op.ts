import * as tf from '#tfjs'
import { differentiate, gradientWanted, isRecorded, markDependent } from '../autodiff.ts'
import { engine } from '../engine.ts'
import { alias, kernelOf, offTape } from '../kernel-call.ts'
import { keep } from '../memory.ts'
import type { Tensor } from '../types.ts'

export type Inputs = Record<string, Tensor | undefined>

/** A named op: its specification in plain ops, and what its kernels save for the way back. */
export interface FusedOp<I extends Inputs, A extends object> {
  /** Kernels are registered as `Filature<name>` and `Filature<name>Grad`. */
  name: string
  /** Public outputs, by name. */
  outputs: readonly string[]
  /** Outputs that only the gradient reads. */
  hidden?: readonly string[]
  /** Inputs and outputs that the gradient kernel reads; all by default. */
  saves?: readonly string[]
  /** The definition, in plain differentiable ops; one tensor for each public output. */
  composed(inputs: I, attrs: A): Tensor[]
}

/** Names of kernels by names of ops: strings put together anew would be hashed anew at each look-up. */
const kernelNames = new Map<string, { forward: string; gradient: string }>()

function kernelsOf(op: string): { forward: string; gradient: string } {
  let names = kernelNames.get(op)
  if (!names) {
    names = { forward: `Filature${op}`, gradient: `Filature${op}Grad` }
    kernelNames.set(op, names)
  }
  return names
}

const registered = (kernel: string) => kernelOf(kernel) !== undefined

/** Whether the active backend has a kernel of its own for the op. */
export function hasKernel(op: { name: string }): boolean {
  return registered(kernelsOf(op.name).forward)
}

/**
 * Runs the op: the backend's kernel where there is one, the composed definition elsewhere. A kernel without a gradient
 * kernel is differentiated through the composed definition, computed again on the way back.
 */
export function runFused<I extends Inputs, A extends object>(op: FusedOp<I, A>, inputs: I, attrs: A): Tensor[] {
  const kernels = kernelsOf(op.name)
  if (!registered(kernels.forward)) return op.composed(inputs, attrs)

  const given: Record<string, Tensor> = {}
  for (const name in inputs) if (inputs[name]) given[name] = inputs[name] as Tensor
  const run = (forGradient: boolean) => {
    const out = engine.runKernelFunc({ kernelName: kernels.forward, inputs: given, attrs: { ...attrs, forGradient } })
    return Array.isArray(out) ? out : [out]
  }
  const count = op.outputs.length
  if (!isRecorded(given)) return offTape(() => run(false)).slice(0, count)

  const joint = registered(kernels.gradient)
  const all = offTape(() => run(joint))
  const outputs = all.slice(0, count)
  const saves = joint ? (op.saves ?? [...Object.keys(given), ...op.outputs, ...(op.hidden ?? [])]) : Object.keys(given)
  const available: Record<string, Tensor | undefined> = { ...given }
  op.outputs.forEach((name, i) => {
    available[name] = outputs[i]
  })
  const saved: Record<string, Tensor> = {}
  for (const name of saves) if (available[name]) saved[name] = alias(available[name])
  op.hidden?.forEach((name, i) => {
    const x = all[count + i]
    if (x && saves.includes(name)) saved[name] = keep(x)
    else x?.dispose()
  })
  const gradient = (dy: Tensor | Tensor[]) => {
    const dys = Array.isArray(dy) ? dy : [dy]
    const needs = Object.keys(given).filter(gradientWanted)
    const grads = joint
      ? jointGradients(op, kernels.gradient, saved, dys, attrs, needs)
      : recomputed(op, saved, dys, attrs, needs)
    return Object.fromEntries(needs.map((name, i) => [name, () => grads[i]!]))
  }
  engine.addTapeNode('custom', given, outputs, gradient, Object.values(saved), attrs)
  markDependent(outputs)
  return outputs
}

function jointGradients<I extends Inputs, A extends object>(
  op: FusedOp<I, A>,
  kernel: string,
  saved: Record<string, Tensor>,
  dys: Tensor[],
  attrs: A,
  needs: string[],
): Tensor[] {
  const cotangents = Object.fromEntries(op.outputs.map((name, i) => [`d_${name}`, dys[i]!]))
  const out = engine.runKernelFunc({
    kernelName: kernel,
    inputs: { ...saved, ...cotangents },
    attrs: { ...attrs, needs },
  })
  return Array.isArray(out) ? out : [out]
}

function recomputed<I extends Inputs, A extends object>(
  op: FusedOp<I, A>,
  saved: Record<string, Tensor>,
  dys: Tensor[],
  attrs: A,
  needs: string[],
): Tensor[] {
  const xs = needs.map((name) => saved[name]!)
  const { grads } = differentiate(() => op.composed(saved as I, attrs), xs, dys)
  return grads.map((g, i) => g ?? tf.zerosLike(xs[i]!))
}
