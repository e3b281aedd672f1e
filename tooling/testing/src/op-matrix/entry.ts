import type { Tensor } from '@filature/tensor'

/** How the numbers of an input are drawn; always the same ones for one entry and input name. */
export interface InputSpec {
  readonly shape: readonly number[]
  readonly kind: 'float' | 'ids' | 'bool'
  /** float: mean and deviation of the normal draws. */
  readonly mean?: number
  readonly std?: number
  /** float: absolute values, moved this far from zero (logarithms, roots, divisors). */
  readonly above?: number
  /** float: every |x| is at least this (kinks at zero). */
  readonly awayFrom?: readonly number[]
  /** ids: 0..below-1. */
  readonly below?: number
  /** Exact values instead of draws. */
  readonly values?: readonly number[]
  /** Not differentiated (targets, masks, angle tables). */
  readonly constant?: boolean
}

type Options = Omit<InputSpec, 'shape' | 'kind'>

/** Standard normal numbers. */
export const normal = (shape: readonly number[], options: Options = {}): InputSpec => ({
  shape,
  kind: 'float',
  ...options,
})
/** Numbers of at least `above`. */
export const positive = (shape: readonly number[], above = 0.2): InputSpec => ({ shape, kind: 'float', above })
export const constant = (shape: readonly number[], options: Options = {}): InputSpec =>
  normal(shape, { ...options, constant: true })
export const ids = (shape: readonly number[], below: number): InputSpec => ({ shape, kind: 'ids', below })
export const idsOf = (shape: readonly number[], values: readonly number[]): InputSpec => ({
  shape,
  kind: 'ids',
  values,
})
export const bools = (shape: readonly number[]): InputSpec => ({ shape, kind: 'bool' })

// biome-ignore lint/suspicious/noExplicitAny: an entry knows the ranks of its own inputs
type Inputs = Record<string, any>

/** One call of one exported op, as the matrix runs it on every backend and in double precision. */
export interface Entry {
  /** The export's name. */
  readonly op: string
  readonly variant: string
  readonly inputs: Readonly<Record<string, InputSpec>>
  run(inputs: Inputs): Tensor | Tensor[]
  /** Why the op has no gradient; forward only then. */
  readonly withoutGradient?: string
  /** Why finite differences do not apply (ties, kinks on purpose); the gradient is still compared with the composed one. */
  readonly withoutDifferences?: string
  /** Backends that cannot run it, and why; shown as skipped. */
  readonly notOn?: Readonly<Record<string, string>>
  /** Not on the plain cpu engine, which runs the composed definition itself. */
  readonly kernelsOnly?: boolean
  /** Widens the tolerance where a sum is long or ill-conditioned. */
  readonly times?: number
}

/** Declares the entries of one op: `of('add', { 'same shape': [{ a: normal([2, 3]), b: normal([2, 3]) }, ({ a, b }) => add(a, b)] })`. */
export function of(
  op: string,
  variants: Record<string, readonly [Entry['inputs'], Entry['run'], Partial<Entry>?]>,
): Entry[] {
  return Object.entries(variants).map(([variant, [inputs, run, more]]) => ({ op, variant, inputs, run, ...more }))
}

export const nameOf = ({ op, variant }: Entry): string => `${op}: ${variant}`
