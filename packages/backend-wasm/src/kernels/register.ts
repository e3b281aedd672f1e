import { getKernel, type KernelConfig, registerKernel, unregisterKernel } from '@tensorflow/tfjs-core'
import { activations } from './activations.ts'
import { additives } from './additive.ts'
import { attentions } from './attention.ts'
import { borrow, borrowed } from './borrowed.ts'
import { convolutions } from './convolutions.ts'
import { elementwise } from './elementwise.ts'
import { lookups } from './lookups.ts'
import { moves } from './moves.ts'
import { norms } from './norms.ts'
import { optimizers } from './optimizers.ts'
import { positions } from './positions.ts'
import { products } from './products.ts'
import { recurrents } from './recurrent.ts'
import { reductions } from './reductions.ts'
import { transposes } from './transpose.ts'

/** Kernels for float32 whose other types stay with the engine; Transpose moves any four bytes. */
const FLOAT_ONLY = new Set([
  ...['Sum', 'Mean', 'Softmax', 'UnsortedSegmentSum', 'Maximum', 'Minimum'],
  ...['Exp', 'Tanh', 'Sigmoid', 'Erf', 'Log', 'Sqrt'],
])
const FOUR_BYTES = new Set(['Transpose', 'SplitV', 'Concat', 'Slice', 'Unpack', 'Tile', 'Reverse'])
const NOT_STRINGS = new Set(['Identity'])

const KERNELS: KernelConfig[] = [
  ...activations,
  ...additives,
  ...attentions,
  ...borrowed,
  ...convolutions,
  ...lookups,
  ...moves,
  ...norms,
  ...optimizers,
  ...positions,
  ...products,
  ...recurrents,
  ...reductions,
  ...transposes,
]

let registered = false

/** Registers the kernels of this package, in the place of the engine's where it has one of that name. */
export function registerKernels(): void {
  if (registered) return
  registered = true
  for (const config of [...KERNELS, ...elementwise()]) replace(config)
}

function replace(config: KernelConfig): void {
  const { kernelName, backendName, kernelFunc } = config
  const theirs = getKernel(kernelName, backendName)
  if (theirs) unregisterKernel(kernelName, backendName)
  const takes = FLOAT_ONLY.has(kernelName)
    ? (dtype: string) => dtype === 'float32'
    : FOUR_BYTES.has(kernelName)
      ? (dtype: string) => dtype === 'float32' || dtype === 'int32'
      : NOT_STRINGS.has(kernelName)
        ? (dtype: string) => dtype !== 'string'
        : undefined
  const others = (theirs ?? borrow(kernelName)).kernelFunc
  registerKernel({
    kernelName,
    backendName,
    // other kernels of the engine may call the function that this sets up
    setupFunc: (backend) => theirs?.setupFunc?.(backend),
    kernelFunc: takes
      ? (call) => (takes(Object.values(call.inputs)[0]!.dtype) ? kernelFunc : others)(call)
      : kernelFunc,
  })
}
