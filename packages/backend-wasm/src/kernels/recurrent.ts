import type { KernelConfig } from '@tensorflow/tfjs-core'
import type { WasmEngine } from '../engine/backend.ts'
import { type Inputs, kernel, type TensorInfo } from './kernel.ts'

/** In the order of the codes in kernels/recurrent.c, with the blocks of H rows in a weight. */
const MODES = { tanh: [0, 1], relu: [1, 1], lstm: [2, 4], gru: [3, 3] } as const

interface Attrs {
  mode: keyof typeof MODES
  reverse: boolean
  forGradient: boolean
  needs: string[]
}

interface Sizes {
  T: number
  B: number
  I: number
  H: number
  code: number
  gates: number
  /** Floats of the gates and of what stands behind them in the reserve. */
  reserve: [gates: number, extra: number]
}

function sizesOf({ x, h0 }: Inputs, mode: Attrs['mode']): Sizes {
  const [T, B, I] = x!.shape as [number, number, number]
  const H = h0!.shape[1]!
  const [code, gates] = MODES[mode]
  return { T, B, I, H, code, gates, reserve: [T * B * gates * H, gates > 1 ? T * B * H : 0] }
}

type Addresses = { [name: string]: number | undefined }

/** The words of Recurrent in kernels/recurrent.c. */
function words(engine: WasmEngine, inputs: Inputs, given: Addresses, { T, B, I, H, code }: Sizes, reverse: boolean) {
  const at = (name: string) => given[name] ?? engine.at(inputs[name])
  return [
    ...['x', 'h0', 'c0', 'w_ih', 'w_hh', 'b_ih', 'b_hh', 'out', 'h', 'c', 'gates', 'extra', 'work'].map(at),
    ...['d_out', 'd_h', 'd_c', 'dx', 'dh0', 'dc0', 'dw_ih', 'dw_hh', 'db_ih', 'db_hh', 'dgh', 'dgi', 'dh', 'dc'].map(
      at,
    ),
    ...[T, B, I, H, code, reverse ? 1 : 0],
  ]
}

function recurrent(engine: WasmEngine, inputs: Inputs, { mode, reverse, forGradient }: Attrs): TensorInfo[] {
  const sizes = sizesOf(inputs, mode)
  const { T, B, H, gates } = sizes
  const out = engine.empty([T, B, H])
  const h = engine.empty([B, H])
  const c = mode === 'lstm' ? engine.empty([B, H]) : undefined
  const [gateFloats, extraFloats] = sizes.reserve
  const reserve = engine.empty([gateFloats + extraFloats])
  const work = engine.allocate(4 * B * gates * H)
  const given = {
    ...{ out: engine.at(out), h: engine.at(h), c: engine.at(c), gates: engine.at(reserve), work },
    extra: extraFloats ? engine.at(reserve) + 4 * gateFloats : 0,
  }
  const { kernels } = engine
  kernels.run.recurrent_forward!(kernels.context, kernels.write(words(engine, inputs, given, sizes, reverse)))
  engine.free(work)
  if (!forGradient) engine.disposeData(reserve.dataId)
  return [out, h, ...(c ? [c] : []), ...(forGradient ? [reserve] : [])]
}

function recurrentGrad(engine: WasmEngine, inputs: Inputs, { mode, reverse, needs }: Attrs): TensorInfo[] {
  const sizes = sizesOf(inputs, mode)
  const { T, B, H, gates } = sizes
  const grads = needs.map((name) => engine.empty(inputs[name]!.shape))
  const of = (name: string) => engine.at(grads[needs.indexOf(name)])
  const [gateFloats, extraFloats] = sizes.reserve
  const reserve = engine.at(inputs.reserve)
  const gru = mode === 'gru'
  const block = engine.allocate(4 * ((gru ? 2 : 1) * T * B * gates * H + 2 * B * H))
  const states = block + 4 * (gru ? 2 : 1) * gateFloats
  const given: Addresses = {
    ...{ gates: reserve, extra: extraFloats ? reserve + 4 * gateFloats : 0 },
    ...{ dx: of('x'), dh0: of('h0'), dc0: of('c0'), dw_ih: of('w_ih'), dw_hh: of('w_hh') },
    ...{ db_ih: of('b_ih'), db_hh: of('b_hh'), dgh: block, dgi: gru ? block + 4 * gateFloats : block },
    ...{ dh: states, dc: states + 4 * B * H },
  }
  const { kernels } = engine
  kernels.run.recurrent_gradient!(kernels.context, kernels.write(words(engine, inputs, given, sizes, reverse)))
  engine.free(block)
  return grads
}

export const recurrents: KernelConfig[] = [
  kernel('FilatureRecurrent', recurrent),
  kernel('FilatureRecurrentGrad', recurrentGrad),
]
