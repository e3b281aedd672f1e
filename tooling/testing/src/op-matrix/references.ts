import { type Tensor, tidy } from '@filature/tensor'
import { randomNumbers } from '../random.ts'
import { entries } from './entries.ts'
import { type Entry, nameOf } from './entry.ts'
import { cotangentOf, differentiable, type Evaluated, evaluate, numbersOf, tensorOf } from './evaluate.ts'

/** What the float64 process says of an entry. */
export interface Reference extends Evaluated {
  /**
   * By input: the difference between the directional derivative by central differences and the gradient's, over
   * sum |gradient| |direction|; the worst of a few random directions.
   */
  readonly differences: Readonly<Record<string, number>>
}

/** By entry name; runs in the float64 process (see ../float64.ts). An entry that throws gives its message. */
export async function references(): Promise<Record<string, Reference | string>> {
  if (Float32Array.BYTES_PER_ELEMENT !== 8) throw new Error('references: wanted the float64 process')
  const all: Record<string, Reference | string> = {}
  for (const entry of entries) {
    try {
      const evaluated = await evaluate(entry)
      all[nameOf(entry)] = { ...evaluated, differences: differencesOf(entry, evaluated) }
    } catch (error) {
      all[nameOf(entry)] = error instanceof Error ? (error.stack ?? error.message) : String(error)
    }
  }
  return all
}

const STEP = 1e-5
const DIRECTIONS = 3

function differencesOf(entry: Entry, { grads }: Evaluated): Record<string, number> {
  if (entry.withoutDifferences) return {}
  const numbers = Object.fromEntries(Object.keys(entry.inputs).map((name) => [name, numbersOf(entry, name)]))
  const worst: Record<string, number> = {}
  for (const name of differentiable(entry)) {
    worst[name] = 0
    for (let k = 0; k < DIRECTIONS; k++) {
      const direction = randomNumbers(`${nameOf(entry)}/${name}/direction ${k}`, numbers[name]!.length)
      const moved = (step: number) => ({ ...numbers, [name]: numbers[name]!.map((x, i) => x + step * direction[i]!) })
      const numeric = (scalarOf(entry, moved(STEP)) - scalarOf(entry, moved(-STEP))) / (2 * STEP)
      const analytic = dot(grads[name]!.data, direction)
      const scale = Math.max(Math.abs(numeric), dot(grads[name]!.data.map(Math.abs), direction.map(Math.abs)), 1e-2)
      worst[name] = Math.max(worst[name]!, Math.abs(numeric - analytic) / scale)
    }
  }
  return worst
}

/** sum over outputs of sum(output * cotangent), for the given inputs. */
function scalarOf(entry: Entry, numbers: Record<string, Float64Array>): number {
  return tidy(() => {
    const inputs = Object.fromEntries(
      Object.entries(entry.inputs).map(([name, spec]) => [name, tensorOf(spec, numbers[name]!)]),
    )
    let total = 0
    ;([entry.run(inputs)].flat() as Tensor[]).forEach((y, i) => {
      if (y.dtype === 'float32') total += dot(y.dataSync(), cotangentOf(entry, i, y.shape))
    })
    return total
  })
}

function dot(a: ArrayLike<number>, b: ArrayLike<number>): number {
  let sum = 0
  for (let i = 0; i < a.length; i++) sum += a[i]! * b[i]!
  return sum
}
