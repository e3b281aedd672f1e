import {
  add,
  linear,
  mul,
  type RecurrentMode,
  type RecurrentResult,
  type RecurrentWeights,
  recurrent,
  relu,
  sigmoid,
  split,
  stack,
  sub,
  type Tensor,
  type Tensor2D,
  type Tensor3D,
  tanh,
  unstack,
} from '@filature/tensor'

export interface State {
  /** (B, H) */
  h: Tensor2D
  /** (B, H), of an LSTM */
  c?: Tensor2D | undefined
}

/** Offers an activation of one step; what comes back goes on. */
export type StepTap = <T extends Tensor>(site: string, x: T) => T

/** Names of the activations inside a step. The gates are (B, H) each, after their nonlinearity. */
export const stepTaps: Record<RecurrentMode, readonly string[]> = {
  tanh: ['h'],
  relu: ['h'],
  lstm: ['i', 'f', 'g', 'o', 'c', 'h'],
  gru: ['r', 'z', 'n', 'h'],
}

/** A direction of a layer, in one fused call. x (T, B, I) -> out (T, B, H) */
export function fusedDirection(
  mode: RecurrentMode,
  x: Tensor3D,
  state: State,
  weights: RecurrentWeights,
  reverse: boolean,
): RecurrentResult {
  return recurrent(mode, x, state, weights, { reverse })
}

/** The same, step by step, offering each step's gates: for those who look inside. */
export function steppedDirection(
  mode: RecurrentMode,
  x: Tensor3D,
  state: State,
  weights: RecurrentWeights,
  reverse: boolean,
  tap: StepTap,
): RecurrentResult {
  const inputs = unstack<Tensor2D>(linear(x, weights.w_ih as Tensor2D, weights.b_ih as never))
  const T = inputs.length
  let { h, c } = state
  const out: Tensor2D[] = new Array(T)
  for (let s = 0; s < T; s++) {
    const t = reverse ? T - 1 - s : s
    const next = step(mode, inputs[t]!, linear(h, weights.w_hh as Tensor2D, weights.b_hh as never), { h, c }, tap)
    h = next.h
    c = next.c
    out[t] = h
  }
  return { out: stack<Tensor3D>(out), h, ...(c ? { c } : {}) }
}

/** gi = W_ih x + b_ih and gh = W_hh h + b_hh, both (B, n H) */
function step(mode: RecurrentMode, gi: Tensor2D, gh: Tensor2D, { h, c }: State, tap: StepTap): State {
  if (mode === 'tanh') return { h: tap('h', tanh(add(gi, gh))) }
  if (mode === 'relu') return { h: tap('h', relu(add(gi, gh))) }
  if (mode === 'lstm') {
    const [zi, zf, zg, zo] = split(add(gi, gh), 4, 1) as [Tensor2D, Tensor2D, Tensor2D, Tensor2D]
    const i = tap('i', sigmoid(zi))
    const f = tap('f', sigmoid(zf))
    const g = tap('g', tanh(zg))
    const o = tap('o', sigmoid(zo))
    const cell = tap('c', add(mul(f, c!), mul(i, g)))
    return { h: tap('h', mul(o, tanh(cell))), c: cell }
  }
  const [ir, iz, inn] = split(gi, 3, 1) as [Tensor2D, Tensor2D, Tensor2D]
  const [hr, hz, hn] = split(gh, 3, 1) as [Tensor2D, Tensor2D, Tensor2D]
  const r = tap('r', sigmoid(add(ir, hr)))
  const z = tap('z', sigmoid(add(iz, hz)))
  const n = tap('n', tanh(add(inn, mul(r, hn))))
  return { h: tap('h', add(n, mul(z, sub(h, n)))) }
}
