import type { Checkpoint } from '@filature/checkpoint'
import type { Dialect, Module, Scalar, Tensor } from '@filature/tensor'

/**
 * How a package runs the golden cases that it can. `packages/NAME/goldens/adapter.ts` exports
 * `adapters: Adapter[]`; the same adapters serve `npm run goldens` and the package's own `*.golden.test.ts`.
 *
 * A whole model in five lines:
 *
 * ```ts
 * export const adapters = [
 *   adapter({
 *     cases: /^vit_pytorch_/,
 *     model: ({ config }) => new ViT(config),
 *     run: (golden, vit) => golden.differentiate({ model: vit, forward: () => ({ out: vit.forward(golden.input('image')) }) }),
 *   }),
 * ]
 * ```
 *
 * A case passes when every tensor of its file was fed in, compared, or ignored with a reason, and every
 * comparison holds. Nothing else needs checking by hand.
 */
export interface Adapter<M extends Module | undefined = Module | undefined> {
  /** Whole names of the cases, or a pattern that a name must match. */
  readonly cases: RegExp | readonly string[]

  /**
   * Describes the case's model, without values. The runner then proves the names (keys, shapes, ties and buffers
   * equal the file's `weights.*`; saved and loaded again byte for byte), loads the weights strictly, hands the model
   * to `run`, and disposes it. Leave it out for a case without weights, or to load in `run` yourself.
   */
  readonly model?: (golden: Golden) => M

  /** The dialect in which the file names the model's parameters, when it is not the model's own. */
  readonly dialect?: (golden: Golden) => Dialect | undefined

  /** Runs the case: feeds its inputs, hands over what came out. Comparisons are collected, so it need not throw. */
  run(golden: Golden, model: M): void | Promise<void>
}

/** Lets TypeScript infer the model's type from `model`. */
export function adapter<M extends Module | undefined = undefined>(it: Adapter<M>): Adapter {
  return it as unknown as Adapter
}

/** One golden case on one backend. Names are given without the leading `inputs.`, `outputs.`, ... */
export interface Golden {
  readonly name: string
  /** `config` of the case's json: the reference's own keys. */
  // biome-ignore lint/suspicious/noExplicitAny: each reference has its own configuration
  readonly config: any
  /** The whole json (`loss`, `notes`, and what special cases add, such as `expected` of the loader case). */
  readonly json: GoldenJson
  /** The active backend's name, `cpu`, `wasm`, `native`, `webgpu`; in the double-precision process, `float64`. */
  readonly backend: string
  /** `float64` when tensors hold doubles (the float64 process), else `float32`. */
  readonly precision: 'float32' | 'float64'

  /** Whether the file has that tensor, by its full name: `golden.has('inputs.attention_mask')`. */
  has(fullName: string): boolean
  /** The full names that match, in the file's order: `golden.list(/^outputs\.attentions\./)`. */
  list(pattern: RegExp): string[]

  /**
   * An input as a tensor on the active backend: F32/F64 as float32, I64/I32/U8 as int32 (range checked), BOOL as bool.
   * The same object on every call, owned by the runner; `differentiate` differentiates by it where the file has its gradient.
   */
  input<T extends Tensor = Tensor>(name: string): T
  /** As `input`, and undefined when the case has no such input. */
  optionalInput<T extends Tensor = Tensor>(name: string): T | undefined
  /** The plain numbers of any tensor, by its full name. An input or weight counts as consumed; an output or gradient does not. */
  read(fullName: string): Numbers
  /** The path of another file of the folder (`loader_checkpoint.pth`); counts that file as used. */
  file(name: string): string

  /** The case's `weights.*` under their exact names, as `load(model, golden.weights())` takes them. A tensor that is read is consumed. */
  weights(): Checkpoint

  /**
   * Compares an output with `outputs.<name>`: exact shape, values within the file's tolerance (ids and masks exactly).
   * Takes a copy at once, so that it may be called anywhere, also inside `forward`, a `tidy` or a tap; does not throw.
   * An array or record is compared element by element under dotted names: `expect('attentions', patterns)`.
   */
  expect(name: string, actual: Outputs, loosened?: Loosened): void
  /** Compares a gradient with `grads.<name>`, e.g. `weights.conv.bias`, `inputs.x`, `step0_unclipped.Whh`. */
  expectGrad(name: string, actual: Value, loosened?: Loosened): void
  /**
   * Compares the gradients of parameters, by path, with all `grads.weights.*`. A parameter that the reference's loss
   * does not reach (no entry in the file) must have no gradient here, or zeros.
   */
  expectGrads(byPath: ReadonlyMap<string, Tensor>, loosened?: Loosened): void
  /** Compares with numbers that stand elsewhere (the json). `label` names the row, and consumes a tensor of that full name. */
  compare(label: string, actual: Value, expected: Numbers | readonly number[], tolerance: Tolerance): void

  /** Leaves tensors (by full name) out of the comparison, for a reason that is printed. */
  ignore(pattern: RegExp | string, reason: string): void

  /**
   * The usual case in one call. Runs `forward` on the tape, compares all that it returns with `outputs.*`, forms the loss,
   * compares it with `outputs.loss`, walks back, and compares every gradient: `grads.weights.*` by path and `grads.inputs.*`.
   */
  differentiate(what: Differentiate): Promise<void>
}

export interface Differentiate {
  /** Whose parameters are differentiated; leave it out when the case has inputs only. */
  readonly model?: Module | undefined
  /** The forward pass. Uses `golden.input(...)`; returns outputs by name, nested as the file's dotted names are. */
  readonly forward: () => { readonly [name: string]: Outputs | undefined }
  /**
   * The scalar to differentiate, from what `forward` returned. Default: sum over the case's cotangents of
   * sum(outputs.o * inputs['cotangent.o']); where the case has none, the output named `loss`.
   */
  // biome-ignore lint/suspicious/noExplicitAny: the record that `forward` returned
  readonly loss?: (outputs: any) => Scalar
  readonly loosened?: Loosened
}

/** A wider tolerance for a named reason, printed with the row. */
export interface Loosened {
  /** Multiplies the case's own tolerance. */
  readonly times?: number
  /** Replaces it. */
  readonly atol?: number
  readonly reason: string
}

/** |actual - expected| <= atol + rtol * |expected| + rtolOfMax * max|expected|, for every element. */
export interface Tolerance {
  readonly atol?: number
  readonly rtol?: number
  readonly rtolOfMax?: number
}

export interface Numbers {
  readonly shape: readonly number[]
  readonly data: ArrayLike<number>
}

/** What an adapter may hand over as a result. Plain numbers count as one-dimensional, a number as a scalar. */
export type Value = Tensor | Numbers | ArrayLike<number> | number
export type Outputs = Value | readonly (Outputs | undefined)[] | { readonly [name: string]: Outputs | undefined }

export interface GoldenJson {
  readonly case: string
  // biome-ignore lint/suspicious/noExplicitAny: each reference has its own configuration
  readonly config: any
  readonly loss: string | null
  readonly notes: string
  readonly buffers?: readonly string[]
  readonly tensors?: {
    readonly [fullName: string]: { readonly dtype: string; readonly shape: readonly number[]; readonly atol?: number }
  }
  readonly [more: string]: unknown
}
