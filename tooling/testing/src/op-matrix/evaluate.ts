import { differentiate, type Tensor, tensor, tidy } from '@filature/tensor'
import { randomNumbers } from '../random.ts'
import { type Entry, type InputSpec, nameOf } from './entry.ts'

/** What an entry gives: its outputs, and by input the gradient of sum over outputs of sum(output * cotangent). */
export interface Evaluated {
  readonly outputs: readonly Flat[]
  readonly grads: Readonly<Record<string, Flat>>
}

export interface Flat {
  readonly shape: readonly number[]
  readonly data: Float64Array
}

const sizeOf = (shape: readonly number[]) => shape.reduce((a, b) => a * b, 1)

/** The numbers of one input: a float32 each, the same in every process. */
export function numbersOf(entry: Entry, name: string): Float64Array {
  const spec = entry.inputs[name]!
  const count = sizeOf(spec.shape)
  if (spec.values) return Float64Array.from(spec.values)
  const label = `${nameOf(entry)}/${name}`
  const draws = randomNumbers(label, count, { mean: spec.mean ?? 0, std: spec.std ?? 1 })
  if (spec.kind === 'bool') return draws.map((x) => (x > 0 ? 1 : 0))
  if (spec.kind === 'ids') return draws.map((x) => Math.floor(Math.abs(x) * 1e6) % spec.below!)
  return draws.map((x) => Math.fround(shifted(x, spec)))
}

/** Moves a draw out of the places where the op or its derivative jumps. */
function shifted(x: number, { above, awayFrom = [] }: InputSpec): number {
  if (above !== undefined) return Math.abs(x) + above
  for (const kink of awayFrom) if (Math.abs(x - kink) < 0.05) x = kink + (x < kink ? -0.05 : 0.05)
  return x
}

export function tensorOf(spec: InputSpec, numbers: Float64Array): Tensor {
  const shape = [...spec.shape]
  if (spec.kind === 'ids') return tensor(Int32Array.from(numbers), shape, 'int32')
  if (spec.kind === 'bool') return tensor(Uint8Array.from(numbers), shape, 'bool')
  return tensor(Float32Array.from(numbers), shape, 'float32')
}

/** Inputs to differentiate by. */
export function differentiable(entry: Entry): string[] {
  if (entry.withoutGradient) return []
  return Object.keys(entry.inputs).filter(
    (name) => entry.inputs[name]!.kind === 'float' && !entry.inputs[name]!.constant,
  )
}

export function cotangentOf(entry: Entry, index: number, shape: readonly number[]): Float64Array {
  return randomNumbers(`${nameOf(entry)}/cotangent ${index}`, sizeOf(shape))
}

/** Runs an entry forward and backward on the active backend. */
export async function evaluate(entry: Entry): Promise<Evaluated> {
  const names = differentiable(entry)
  const { outputs, grads } = tidy(() => {
    const inputs = Object.fromEntries(
      Object.entries(entry.inputs).map(([name, spec]) => [name, tensorOf(spec, numbersOf(entry, name))]),
    )
    const forward = () => [entry.run(inputs)].flat()
    if (!names.length) return { outputs: forward(), grads: [] }
    // The forward pass off the tape takes the path of inference: both must agree.
    const plain = forward()
    const cotangents = plain.map((y, i) =>
      y.dtype === 'float32' ? tensor(Float32Array.from(cotangentOf(entry, i, y.shape)), y.shape) : null,
    )
    const sources = names.map((name) => inputs[name]!)
    const { value, grads } = differentiate(forward, sources, cotangents)
    return { outputs: [...plain, ...value], grads }
  })
  const result = {
    outputs: await Promise.all(outputs.map(flat)),
    grads: Object.fromEntries(
      await Promise.all(names.map(async (name, i) => [name, await gradientOf(entry, name, grads[i])] as const)),
    ),
  }
  for (const x of [...outputs, ...grads]) x?.dispose()
  return result
}

async function gradientOf(entry: Entry, name: string, gradient: Tensor | null | undefined): Promise<Flat> {
  const { shape } = entry.inputs[name]!
  if (!gradient) return { shape, data: new Float64Array(sizeOf(shape)) }
  if (gradient.shape.join() !== shape.join()) {
    throw new Error(`${nameOf(entry)}: the gradient by ${name} is [${gradient.shape}], the input [${shape}]`)
  }
  return flat(gradient)
}

async function flat(x: Tensor): Promise<Flat> {
  return { shape: x.shape, data: Float64Array.from((await x.data()) as ArrayLike<number>) }
}
