import type { FileArray, FileTensor, TensorTable } from './contracts.ts'
import { CheckpointError } from './errors.ts'
import { sizeOf } from './types.ts'

/**
 * Another layout of the same model's weights, as reversible steps. `toOurs` turns a file's table into the model's names
 * and shapes; `toTheirs` runs the steps backwards, so that saving in a dialect is loading it in reverse.
 */
export interface Rule {
  toOurs(table: TensorTable): TensorTable
  toTheirs(table: TensorTable): TensorTable
}

/** Rules in the order in which they turn a file's names and layouts into the model's. */
export class Dialect {
  readonly name: string
  readonly rules: readonly Rule[]

  constructor(name: string, rules: readonly Rule[]) {
    this.name = name
    this.rules = rules
  }

  toOurs(table: TensorTable): TensorTable {
    return this.rules.reduce((t, rule) => rule.toOurs(t), table)
  }

  toTheirs(table: TensorTable): TensorTable {
    return this.rules.reduceRight((t, rule) => rule.toTheirs(t), table)
  }
}

const mapTable = (table: TensorTable, fn: (name: string, entry: FileTensor) => [string, FileTensor][]): TensorTable =>
  new Map([...table].flatMap(([name, entry]) => fn(name, entry)))

/** Renames by parallel patterns with `{}` for a run of characters without dots: rename('h.{}.ln_1', 'layers.{}.norm1'). */
export function rename(theirs: string, ours: string): Rule {
  const one = (from: string, to: string) => {
    const pattern = new RegExp(`^${from.replace(/[.*+?^$()|[\]\\]/g, '\\$&').replaceAll('{}', '([^.]*)')}(?=\\.|$)`)
    return (table: TensorTable) =>
      mapTable(table, (name, entry) => {
        const match = pattern.exec(name)
        if (!match) return [[name, entry]]
        let group = 0
        return [[to.replaceAll('{}', () => match[++group]!) + name.slice(match[0].length), entry]]
      })
  }
  return { toOurs: one(theirs, ours), toTheirs: one(ours, theirs) }
}

/** Adds a prefix to every name of the file: the model's tree has one level more. */
export function prefix(ours: string): Rule {
  return {
    toOurs: (table) => mapTable(table, (name, entry) => [[`${ours}${name}`, entry]]),
    toTheirs: (table) =>
      mapTable(table, (name, entry) => {
        if (!name.startsWith(ours)) {
          throw new CheckpointError(
            'dialect-prefix',
            `Dialect: wanted a name that begins with '${ours}', got '${name}'.`,
          )
        }
        return [[name.slice(ours.length), entry]]
      }),
  }
}

function reordered(entry: FileTensor, shape: number[], from: (index: number) => number): FileTensor {
  return {
    dtype: entry.dtype,
    shape,
    async read() {
      const source = await entry.read()
      const out = new (source.constructor as new (n: number) => FileArray)(source.length)
      for (let i = 0; i < out.length; i++) out[i] = source[from(i)]!
      return out
    },
  }
}

/** Transposes matrices whose (model's) name matches: GPT-2's Conv1D weights are (in, out). */
export function transposed(matches: RegExp): Rule {
  const flip = (table: TensorTable) =>
    mapTable(table, (name, entry) => {
      if (!matches.test(name)) return [[name, entry]]
      const [rows, columns] = entry.shape as [number, number]
      return [[name, reordered(entry, [columns, rows], (i) => (i % rows) * columns + Math.floor(i / rows))]]
    })
  return { toOurs: flip, toTheirs: flip }
}

function inverted(order: number[]): number[] {
  const out = new Array<number>(order.length)
  order.forEach((from, to) => {
    out[from] = to
  })
  return out
}

/** Row i is the tensor's row `map[i]`, of `width` numbers. */
function withRows(entry: FileTensor, map: readonly number[], width: number): FileTensor {
  const moved = <A extends FileArray>(source: A, width: number): A => {
    const out = new (source.constructor as new (n: number) => A)(source.length)
    map.forEach((row, i) => {
      out.set(source.subarray(row * width, (row + 1) * width) as never, i * width)
    })
    return out
  }
  const { blocks } = entry
  return {
    dtype: entry.dtype,
    shape: [...entry.shape],
    read: async () => moved(await entry.read(), width),
    blocks: blocks && {
      format: blocks.format,
      readBytes: async () => moved(await blocks.readBytes(), (width / blocks.format.elements) * blocks.format.bytes),
    },
  }
}

/** Permutes the rows (first axis) of matching tensors: `order(rows)[i]` is the file's row of the model's row i. */
export function permutedRows(matches: RegExp, order: (rows: number, name: string) => ArrayLike<number>): Rule {
  const permute = (inverse: boolean) => (table: TensorTable) =>
    mapTable(table, (name, entry) => {
      if (!matches.test(name)) return [[name, entry]]
      const rows = entry.shape[0]!
      const width = sizeOf(entry.shape.slice(1))
      const forward = Array.from(order(rows, name))
      const map = inverse ? inverted(forward) : forward
      return [[name, withRows(entry, map, width)]]
    })
  return { toOurs: permute(false), toTheirs: permute(true) }
}

/**
 * One tensor of the file holds several of the model, joined along the first axis in equal parts:
 * joined('self_attn.in_proj_weight', ['self_attn.q_proj.weight', ...]). Names match at their end.
 */
export function joined(theirs: string, ours: readonly string[]): Rule {
  const ends = (name: string, end: string) => name === end || name.endsWith(`.${end}`)
  return {
    toOurs: (table) =>
      mapTable(table, (name, entry) => {
        if (!ends(name, theirs)) return [[name, entry]]
        const stem = name.slice(0, name.length - theirs.length)
        const shape = [entry.shape[0]! / ours.length, ...entry.shape.slice(1)]
        const size = sizeOf(shape)
        return ours.map((part, i): [string, FileTensor] => [
          `${stem}${part}`,
          {
            dtype: entry.dtype,
            shape,
            read: async () => (await entry.read()).slice(i * size, (i + 1) * size) as FileArray,
          },
        ])
      }),
    toTheirs: (table) => {
      const out: TensorTable = new Map()
      for (const [name, entry] of table) {
        const index = ours.findIndex((part) => ends(name, part))
        if (index < 0) out.set(name, entry)
        if (index !== 0) continue
        const stem = name.slice(0, name.length - ours[0]!.length)
        const parts = ours.map((part) => {
          const found = table.get(`${stem}${part}`)
          if (!found) throw new CheckpointError('dialect-part', `Dialect: ${stem}${theirs} needs ${stem}${part}.`)
          return found
        })
        out.set(`${stem}${theirs}`, {
          dtype: entry.dtype,
          shape: [entry.shape[0]! * ours.length, ...entry.shape.slice(1)],
          async read() {
            const arrays: FileArray[] = []
            for (const part of parts) arrays.push(await part.read())
            const first = arrays[0]!
            const whole = new (first.constructor as new (n: number) => FileArray)(first.length * ours.length)
            arrays.forEach((array, i) => {
              whole.set(array as never, i * first.length)
            })
            return whole
          },
        })
      }
      return out
    },
  }
}

/** Leaves matching tensors of the file out when reading; saving does not bring them back. */
export function ignored(matches: RegExp): Rule {
  return {
    toOurs: (table) => new Map([...table].filter(([name]) => !matches.test(name))),
    toTheirs: (table) => table,
  }
}
