import {
  CheckpointError,
  ConfigError,
  Dialect,
  type FileArray,
  type FileTensor,
  type Rule,
  type TensorTable,
} from '@filature/tensor'

export interface JoinedGatesOptions {
  /** H of the network. */
  hidden_size: number
  /** Blocks of H rows in the file: forget, input and output gate and candidate ('fiog', where torch has 'ifgo'). */
  order?: string
  /** Columns: the state before the input ('hx'), or behind it. */
  columns?: 'hx' | 'xh'
}

const TORCH = 'ifgo'
const MATRIX = /(^|\.)W_(l\d+(?:_reverse)?)$/

/**
 * LSTM weights as many texts write them, one matrix over [h; x] for all gates: z = W [h; x] + b. The file's
 * `W_l0` (4 H, H + I) and `b_l0` (4 H) are torch's `weight_hh_l0`, `weight_ih_l0` and `bias_ih_l0`; `bias_hh_l0` is 0.
 * Back again the two biases are one sum. Further layers and directions are `W_l1`, `W_l0_reverse`.
 */
export function joinedGates({ hidden_size: H, order = 'fiog', columns = 'hx' }: JoinedGatesOptions): Dialect {
  if ([...order].sort().join('') !== [...TORCH].sort().join('')) {
    throw new ConfigError(
      'gate-order',
      `joinedGates: wanted order as the letters f, i, o and g in some order, got '${order}'.`,
    )
  }
  if (columns !== 'hx' && columns !== 'xh') {
    throw new ConfigError('gate-columns', `joinedGates: wanted columns 'hx' or 'xh', got '${columns}'.`)
  }
  /** The file's row of a row in torch's order, and the other way round. */
  const rows = (from: string, to: string) => (row: number) => to.indexOf(from[Math.floor(row / H)]!) * H + (row % H)
  const fileRow = rows(TORCH, order)
  const torchRow = rows(order, TORCH)
  const hFirst = columns === 'hx'

  const toOurs = (name: string, file: TensorTable): [string, FileTensor][] | undefined => {
    const [stem, end] = namesOf(name)
    const W = file.get(name)!
    const b = file.get(`${stem}b_${end}`)
    const width = W.shape[1] ?? 0
    if (W.shape.length !== 2 || W.shape[0] !== 4 * H || width <= H || b?.shape.join() !== `${4 * H}`) {
      throw new CheckpointError(
        'gate-shape',
        `joinedGates: wanted ${name} (${4 * H}, ${H} + I) and ${stem}b_${end} (${4 * H}), got [${W.shape}] and ${b ? `[${b.shape}]` : 'none'}.`,
      )
    }
    const I = width - H
    const part = (first: number, count: number): FileTensor =>
      made(W.dtype, [4 * H, count], [W], (out, [w]) => {
        for (let i = 0; i < out.length; i++) out[i] = w![fileRow(Math.floor(i / count)) * width + first + (i % count)]!
      })
    return [
      [`${stem}weight_ih_${end}`, part(hFirst ? H : 0, I)],
      [`${stem}weight_hh_${end}`, part(hFirst ? 0 : I, H)],
      [`${stem}bias_ih_${end}`, made(b.dtype, [4 * H], [b], (out, [v]) => fill(out, (i) => v![fileRow(i)]!))],
      [`${stem}bias_hh_${end}`, made(b.dtype, [4 * H], [b], (out) => fill(out, () => 0))],
    ]
  }

  const toTheirs = (stem: string, end: string, ours: TensorTable): [string, FileTensor][] => {
    const [ih, hh, bi, bh] = ['weight_ih', 'weight_hh', 'bias_ih', 'bias_hh'].map((part) => {
      const found = ours.get(`${stem}${part}_${end}`)
      if (!found)
        throw new CheckpointError(
          'gate-part',
          `joinedGates: wanted ${stem}${part}_${end}, got none; the text's form has biases.`,
        )
      return found
    }) as [FileTensor, FileTensor, FileTensor, FileTensor]
    const I = ih.shape[1]!
    const width = H + I
    const W = made(ih.dtype, [4 * H, width], [ih, hh], (out, [x, h]) => {
      for (let i = 0; i < out.length; i++) {
        const [row, column] = [torchRow(Math.floor(i / width)), i % width]
        const ofH = hFirst ? column : column - I
        out[i] = ofH >= 0 && ofH < H ? h![row * H + ofH]! : x![row * I + (hFirst ? column - H : column)]!
      }
    })
    const b = made(bi.dtype, [4 * H], [bi, bh], (out, [x, h]) =>
      fill(out, (i) => Number(x![torchRow(i)]) + Number(h![torchRow(i)])),
    )
    return [
      [`${stem}W_${end}`, W],
      [`${stem}b_${end}`, b],
    ]
  }

  const rule: Rule = {
    toOurs: (file) => {
      const taken = new Set(
        [...file.keys()].filter((name) => MATRIX.test(name)).flatMap((name) => [name, biasOf(name)]),
      )
      return new Map(
        [...file].flatMap(([name, entry]): [string, FileTensor][] =>
          MATRIX.test(name) ? toOurs(name, file)! : taken.has(name) ? [] : [[name, entry]],
        ),
      )
    },
    toTheirs: (ours) => {
      const own = /^(.*?)(weight|bias)_(ih|hh)_(l\d+(?:_reverse)?)$/
      return new Map(
        [...ours].flatMap(([name, entry]): [string, FileTensor][] => {
          const match = own.exec(name)
          if (!match) return [[name, entry]]
          return match[2] === 'weight' && match[3] === 'ih' ? toTheirs(match[1]!, match[4]!, ours) : []
        }),
      )
    },
  }
  return new Dialect('joined-gates', [rule])
}

/** 'rnn.W_l0' -> ['rnn.', 'l0'] */
function namesOf(name: string): [string, string] {
  const at = name.lastIndexOf('W_')
  return [name.slice(0, at), name.slice(at + 2)]
}

const biasOf = (name: string) => namesOf(name).join('b_')

type Numbers = { [index: number]: number; readonly length: number }

function fill(out: Numbers, value: (i: number) => number): void {
  for (let i = 0; i < out.length; i++) out[i] = value(i)
}

function made(
  dtype: FileTensor['dtype'],
  shape: number[],
  from: readonly FileTensor[],
  write: (out: Numbers, sources: readonly Numbers[]) => void,
): FileTensor {
  return {
    dtype,
    shape,
    async read() {
      const sources = await Promise.all(from.map((entry) => entry.read()))
      const out = new (sources[0]!.constructor as new (n: number) => FileArray)(shape.reduce((a, b) => a * b, 1))
      write(out as Numbers, sources as Numbers[])
      return out
    },
  }
}
