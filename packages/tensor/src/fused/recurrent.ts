import * as tf from '#tfjs'
import { ShapeError } from '../errors.ts'
import { unstack } from '../ops/shape.ts'
import type { Tensor, Tensor2D, Tensor3D } from '../types.ts'
import { type FusedOp, runFused } from './op.ts'

export type RecurrentMode = 'tanh' | 'relu' | 'lstm' | 'gru'

/** Blocks of H rows in a weight: one, i f g o, or r z n. */
export const gateCount: Record<RecurrentMode, number> = { tanh: 1, relu: 1, lstm: 4, gru: 3 }

type Inputs = {
  x: Tensor
  h0: Tensor
  c0: Tensor | undefined
  w_ih: Tensor
  w_hh: Tensor
  b_ih: Tensor | undefined
  b_hh: Tensor | undefined
}
type Attributes = { mode: RecurrentMode; reverse: boolean }

export interface StepActivations {
  /** New hidden state (B, H). */
  h: Tensor2D
  /** New cell state (B, H) of an LSTM. */
  c?: Tensor2D
  /** Gates by name, each (B, H). */
  gates: Record<string, Tensor2D>
}

/**
 * One step from the two products. gi = x w_ih^T + b_ih and gh = h w_hh^T + b_hh, both (B, n H).
 * LSTM: Hochreiter and Schmidhuber 1997 with forget gate; GRU: Cho et al. 2014 in torch's form, with the reset gate on
 * the whole recurrent term.
 */
export function recurrentStep(
  mode: RecurrentMode,
  gi: Tensor2D,
  gh: Tensor2D,
  h: Tensor2D,
  c?: Tensor2D,
): StepActivations {
  if (mode === 'tanh') {
    const next = tf.tanh(tf.add(gi, gh)) as Tensor2D
    return { h: next, gates: {} }
  }
  if (mode === 'relu') {
    const next = tf.relu(tf.add(gi, gh)) as Tensor2D
    return { h: next, gates: {} }
  }
  if (mode === 'lstm') {
    const [zi, zf, zg, zo] = tf.split(tf.add(gi, gh), 4, 1) as [Tensor2D, Tensor2D, Tensor2D, Tensor2D]
    const i = tf.sigmoid(zi)
    const f = tf.sigmoid(zf)
    const g = tf.tanh(zg)
    const o = tf.sigmoid(zo)
    const cell = tf.add(tf.mul(f, c!), tf.mul(i, g)) as Tensor2D
    return { h: tf.mul(o, tf.tanh(cell)) as Tensor2D, c: cell, gates: { i, f, g, o } }
  }
  const [ir, iz, inn] = tf.split(gi, 3, 1) as [Tensor2D, Tensor2D, Tensor2D]
  const [hr, hz, hn] = tf.split(gh, 3, 1) as [Tensor2D, Tensor2D, Tensor2D]
  const r = tf.sigmoid(tf.add(ir, hr)) as Tensor2D
  const z = tf.sigmoid(tf.add(iz, hz)) as Tensor2D
  const n = tf.tanh(tf.add(inn, tf.mul(r, hn))) as Tensor2D
  return { h: tf.add(n, tf.mul(z, tf.sub(h, n))) as Tensor2D, gates: { r, z, n } }
}

const op: FusedOp<Inputs, Attributes> = {
  name: 'Recurrent',
  outputs: ['out', 'h', 'c'],
  hidden: ['reserve'],
  composed: ({ x, h0, c0, w_ih, w_hh, b_ih, b_hh }, { mode, reverse }) => {
    const [T, B, I] = x.shape as [number, number, number]
    const product = tf.matMul(tf.reshape(x, [T * B, I]), w_ih as Tensor2D, false, true)
    const inputs = unstack<Tensor2D>(tf.reshape(b_ih ? tf.add(product, b_ih) : product, [T, B, w_ih.shape[0]!]))
    let h = h0 as Tensor2D
    let c = c0 as Tensor2D | undefined
    const out: Tensor2D[] = new Array(T)
    for (let step = 0; step < T; step++) {
      const t = reverse ? T - 1 - step : step
      const recurrent = tf.matMul(h, w_hh as Tensor2D, false, true) as Tensor2D
      const next = recurrentStep(mode, inputs[t]!, b_hh ? tf.add(recurrent, b_hh) : recurrent, h, c)
      h = next.h
      c = next.c
      out[t] = h
    }
    return [tf.stack(out), tf.clone(h), ...(c ? [tf.clone(c)] : [])]
  },
}
const withoutCell: FusedOp<Inputs, Attributes> = { ...op, outputs: ['out', 'h'] }

export interface RecurrentWeights {
  /** (n H, I) */
  w_ih: Tensor
  /** (n H, H) */
  w_hh: Tensor
  /** (n H) */
  b_ih?: Tensor | undefined
  b_hh?: Tensor | undefined
}

export interface RecurrentResult {
  /** (T, B, H), in the order of the input also when `reverse`. */
  out: Tensor3D
  /** State after the last step, (B, H). */
  h: Tensor2D
  c?: Tensor2D
}

/** A whole sequence through one recurrent layer in one direction. x (T, B, I), h0 and c0 (B, H). */
export function recurrent(
  mode: RecurrentMode,
  x: Tensor3D,
  state: { h: Tensor2D; c?: Tensor2D | undefined },
  weights: RecurrentWeights,
  { reverse = false } = {},
): RecurrentResult {
  const [T, B, I] = x.shape
  const H = weights.w_hh.shape[1]!
  const n = gateCount[mode] * H
  const states = [state.h, ...(mode === 'lstm' ? [state.c] : [])]
  const fits =
    T > 0 &&
    weights.w_ih.shape[0] === n &&
    weights.w_ih.shape[1] === I &&
    weights.w_hh.shape[0] === n &&
    [weights.b_ih, weights.b_hh].every((b) => !b || b.shape[0] === n) &&
    states.every((s) => s && s.shape[0] === B && s.shape[1] === H)
  if (!fits) {
    throw new ShapeError(
      'recurrent-shape',
      `recurrent (${mode}): wanted x (T > 0, B, I), states (B, H)${mode === 'lstm' ? ' h and c' : ''}, ` +
        `w_ih (${gateCount[mode]} H, I), w_hh (${gateCount[mode]} H, H); got x [${x.shape}], ` +
        `states ${states.map((s) => `[${s?.shape ?? 'none'}]`).join(' ')}, w_ih [${weights.w_ih.shape}], w_hh [${weights.w_hh.shape}].`,
    )
  }
  const lstm = mode === 'lstm'
  const inputs = { x, h0: state.h, c0: lstm ? state.c : undefined, b_ih: undefined, b_hh: undefined, ...weights }
  const [out, h, c] = runFused(lstm ? op : withoutCell, inputs, { mode, reverse })
  return { out: out as Tensor3D, h: h as Tensor2D, ...(lstm ? { c: c as Tensor2D } : {}) }
}
