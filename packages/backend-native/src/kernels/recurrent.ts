import { CELLS } from '../addon.ts'
import type { NativeBackend } from '../backend.ts'
import { Gradients, type Inputs, type Kernels, maybe, output } from './kernel.ts'

/** Floats of the reserve for each step, sample and unit: gates and cells, or gates and the recurrent part of n. */
const RESERVE = { tanh: 0, relu: 0, lstm: 5, gru: 4 } as const
type Mode = keyof typeof RESERVE

function argumentsOf(backend: NativeBackend, inputs: Inputs, { mode, reverse }: { mode: Mode; reverse: boolean }) {
  const { x, h0, c0, w_ih, w_hh, b_ih, b_hh } = inputs
  const [T, B, I] = x!.shape as [number, number, number]
  const H = w_hh!.shape[1]!
  return {
    sizes: { T, B, H },
    common: [
      CELLS.indexOf(mode),
      reverse,
      T,
      B,
      I,
      H,
      backend.floats(x!),
      backend.floats(h0!),
      maybe(backend, c0),
      backend.floats(w_ih!),
      backend.floats(w_hh!),
      maybe(backend, b_ih),
      maybe(backend, b_hh),
    ],
  }
}

export const recurrent: Kernels = {
  FilatureRecurrent(inputs, attributes, { backend, addon }) {
    const { sizes, common } = argumentsOf(backend, inputs, attributes)
    const { T, B, H } = sizes
    const mode: Mode = attributes.mode
    const out = output(backend, [T, B, H])
    const h = output(backend, [B, H])
    const c = mode === 'lstm' ? output(backend, [B, H]) : undefined
    const reserve = output(backend, [T * B * H * RESERVE[mode]])
    addon.recurrent(...common, out.values, h.values, c?.values ?? null, reserve.values)
    const results = c ? [out.info, h.info, c.info] : [out.info, h.info]
    if (attributes.forGradient) results.push(reserve.info)
    else backend.disposeData(reserve.info.dataId)
    return results
  },

  FilatureRecurrentGrad(inputs, attributes, { backend, addon }) {
    const { common } = argumentsOf(backend, inputs, attributes)
    const gradients = new Gradients(backend, attributes.needs)
    addon.recurrentGrad(
      ...common,
      backend.floats(inputs.out!),
      backend.floats(inputs.reserve!),
      maybe(backend, inputs.d_out),
      maybe(backend, inputs.d_h),
      maybe(backend, inputs.d_c),
      ...['x', 'h0', 'c0', 'w_ih', 'w_hh', 'b_ih', 'b_hh'].map((name) => gradients.of(name, inputs[name])),
    )
    return gradients.results
  },
}
