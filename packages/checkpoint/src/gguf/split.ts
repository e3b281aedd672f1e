import { refuse } from '../refuse.ts'

// A model in several files, as llama.cpp's gguf-split writes it: model-00001-of-00003.gguf and so on, each with its place
// (`split.no`, from 0), their number (`split.count`) and the number of all tensors (`split.tensors.count`).

export interface Split {
  /** From 0. */
  readonly no: number
  readonly count: number
  /** In all files together, where the file says so. */
  readonly tensors: number | undefined
}

/** What a file's metadata says of its place among others; a file that says nothing is the only one. */
export function splitOf(metadata: ReadonlyMap<string, unknown>, who: string): Split {
  const whole = (key: string, least: number, most: number, left: number) => {
    const value = metadata.get(key) ?? left
    if (Number.isInteger(value) && (value as number) >= least && (value as number) <= most) return value as number
    return refuse('gguf-split', who, `its ${key} is ${value}, wanted a whole number from ${least} to ${most}.`)
  }
  const count = whole('split.count', 1, 65_535, 1)
  const no = whole('split.no', 0, count - 1, 0)
  const tensors = metadata.has('split.tensors.count') ? whole('split.tensors.count', 0, 2 ** 31 - 1, 0) : undefined
  return { no, count, tensors }
}

const digits = (n: number) => String(n).padStart(5, '0')
const ending = (no: number, count: number) => `-${digits(no + 1)}-of-${digits(count)}.gguf`

/** The name of part `to` (from 0), by that of the part at hand; undefined where the file is not named as parts are. */
export function partName(file: string, { no, count }: Split, to: number): string | undefined {
  const own = ending(no, count)
  return file.endsWith(own) ? file.slice(0, -own.length) + ending(to, count) : undefined
}
