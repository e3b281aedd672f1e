import {
  add,
  CheckpointError,
  ConfigError,
  clone,
  keep,
  type Module,
  matcher,
  mul,
  neg,
  type Parameter,
  parametersOf,
  type Scalar,
  sameShape,
  type Tensor,
  tidy,
  type Which,
} from '@filature/tensor'
import { type Changed, type KernelStep, stepByKernel } from './in-place.ts'

/** Options every optimizer has. */
export interface CommonOptions {
  /** Learning rate, where no schedule gives one. */
  lr: number
  /** Times the parameter, added to its gradient; `AdamW` takes it, times lr, off the parameter instead. 0 by default. */
  weightDecay: number
  /** Goes up the gradient instead of down. */
  maximize: boolean
  /** Factor on the learning rate, for groups that learn slower or faster than the rest. 1 by default. */
  lrScale: number
}

/** The common options but the learning rate, which is each optimizer's own. */
export const commonDefaults = { weightDecay: 0, maximize: false, lrScale: 1 } as const

/** Parameters, by path, that have options of their own. The first group that matches a parameter wins. */
export type ParameterGroup<O> = {
  readonly match: Which | ((path: string, parameter: Parameter) => boolean)
} & Partial<O>

/** What an optimizer remembers of one parameter: tensors of the parameter's shape, and the number of its steps. */
export interface Slots {
  /** Steps made with this parameter, this one included. */
  step: number
  readonly tensors: Record<string, Tensor>
}

/** The new value of a parameter and of its slots, made inside the optimizer's tidy. */
export interface Update {
  readonly value: Tensor
  readonly slots: Record<string, Tensor>
}

/** What a checkpoint stores of an optimizer. Tensors by `<parameter path>.<slot>`; they stay the optimizer's own. */
export interface OptimizerState {
  readonly tensors: ReadonlyMap<string, Tensor>
  readonly steps: Readonly<Record<string, number>>
}

interface Member<O> {
  readonly parameter: Parameter
  readonly options: O
}

/** Parameters at the same step under the same options: one kernel changes them all. */
interface Joint<O> {
  readonly options: O
  readonly step: number
  readonly paths: string[]
  readonly changed: Changed[]
}

/**
 * Changes the parameters of a model by their gradients, with PyTorch's semantics. A parameter without a gradient is
 * left alone, as a parameter whose `grad` is None is in PyTorch: no weight decay either. One of your own gives its
 * `slotNames`, its `update`, and `check` where it has options to check.
 */
export abstract class Optimizer<O extends CommonOptions = CommonOptions> implements Disposable {
  readonly options: O
  readonly #members = new Map<string, Member<O>>()
  readonly #slots = new Map<string, Slots>()

  /**
   * @param defaults every option there is; `options` go over them, and a group's own over those
   * @throws ConfigError for an option that is unknown or cannot work, and for a group that no parameter is left for
   */
  constructor(model: Module, defaults: O, options: Partial<O>, groups: readonly ParameterGroup<O>[]) {
    this.options = this.#checked(defaults, options)
    const own = groups.map(({ match, ...rest }) => ({
      matches: typeof match === 'function' ? match : matcher(match),
      options: this.#checked(this.options, rest as unknown as Partial<O>),
    }))
    const used = new Set<number>()
    for (const [path, parameter] of parametersOf(model)) {
      const at = own.findIndex(({ matches }) => matches(path, parameter))
      if (at >= 0) used.add(at)
      this.#members.set(path, { parameter, options: at >= 0 ? own[at]!.options : this.options })
    }
    const idle = own.findIndex((_, at) => !used.has(at))
    if (idle >= 0) {
      throw new ConfigError(
        'optimizer-group',
        `${this.name}: group ${idle} (${String(groups[idle]!.match)}) matches no parameter that an earlier group left; check its pattern.`,
      )
    }
  }

  /** What is given (not undefined) over the defaults. */
  #checked(defaults: O, given: Partial<O>): O {
    const set = Object.entries(given).filter(([, value]) => value !== undefined)
    const unknown = set.find(([key]) => !Object.hasOwn(defaults, key))
    if (unknown) {
      throw new ConfigError(
        'optimizer-option',
        `${this.name}: there is no option '${unknown[0]}'; wanted some of ${Object.keys(defaults).join(', ')}.`,
      )
    }
    const options = { ...defaults, ...(Object.fromEntries(set) as Partial<O>) }
    this.check(options)
    return options
  }

  get name(): string {
    return this.constructor.name
  }

  /** Refuses options that cannot work. */
  protected check(options: O): void {
    for (const key of ['lr', 'weightDecay', 'lrScale'] as const) requireAtLeastZero(this.name, key, options[key])
  }

  /** The options that hold for the parameter at `path`. */
  optionsOf(path: string): O {
    return this.#member(path).options
  }

  #member(path: string): Member<O> {
    const member = this.#members.get(path)
    if (member) return member
    throw new ConfigError('optimizer-path', `${this.name}: the model has no parameter '${path}'.`)
  }

  /**
   * One step. Gradients by path, as `valueAndGrads` gives them; they stay the caller's.
   * @param lr the learning rate of this step in every group (times its `lrScale`); each group's own when left out
   * @param factor multiplies the gradients (see `clippingFactor`)
   */
  step(grads: ReadonlyMap<string, Tensor>, lr?: number, factor?: Scalar): void {
    if (lr !== undefined) requireAtLeastZero(this.name, 'the lr of a step', lr)
    for (const [path, grad] of grads) {
      const { parameter } = this.#member(path)
      if (!sameShape(grad.shape, parameter.shape)) {
        throw new ConfigError(
          'optimizer-gradient',
          `${this.name}: wanted a gradient of [${parameter.shape}] for ${path}, got [${grad.shape}].`,
        )
      }
    }
    for (const joint of this.#joined(grads)) {
      this.#advance(joint, (lr ?? joint.options.lr) * joint.options.lrScale, factor)
    }
  }

  #joined(grads: ReadonlyMap<string, Tensor>): Joint<O>[] {
    const all: Joint<O>[] = []
    for (const [path, grad] of grads) {
      const { parameter, options } = this.#member(path)
      const before = this.#slots.get(path)
      const step = (before?.step ?? 0) + 1
      let joint = all.find((it) => it.step === step && it.options === options)
      if (!joint) {
        joint = { options, step, paths: [], changed: [] }
        all.push(joint)
      }
      joint.paths.push(path)
      joint.changed.push({ parameter, grad, slots: before?.tensors ?? {} })
    }
    return all
  }

  #advance({ options, step, paths, changed }: Joint<O>, lr: number, factor: Scalar | undefined): void {
    const kernel = step > 1 ? this.kernel(options, lr, step) : undefined
    if (kernel && stepByKernel(kernel, changed, factor)) {
      for (const path of paths) this.#slots.get(path)!.step = step
      return
    }
    changed.forEach(({ parameter, grad, slots: tensors }, i) => {
      tidy(() => {
        const g = factor ? mul(grad, factor) : grad
        const { value, slots } = this.update(parameter.value, g, { step, tensors }, options, lr)
        for (const slot of Object.values(slots)) keep(slot)
        parameter.assign(value)
        this.#replace(paths[i]!, { step, tensors: slots })
      })
    })
  }

  #replace(path: string, slots: Slots): void {
    const before = this.#slots.get(path)
    const kept = new Set(Object.values(slots.tensors))
    for (const tensor of Object.values(before?.tensors ?? {})) if (!kept.has(tensor)) tensor.dispose()
    this.#slots.set(path, slots)
  }

  /** The update in plain ops; runs inside a tidy. `slots.tensors` is empty at a parameter's first step. */
  protected abstract update(value: Tensor, grad: Tensor, slots: Slots, options: O, lr: number): Update

  /** The kernel that makes the same step as `update` on backends that have it, from a parameter's second step on. */
  protected kernel(_options: O, _lr: number, _step: number): KernelStep | undefined {
    return undefined
  }

  /** Names of the slots that a parameter with these options has after its first step. */
  protected abstract slotNames(options: O): readonly string[]

  /** Bytes of the slots that the first step of the trainable parameters is still to make. */
  get bytesToCome(): number {
    let bytes = 0
    for (const [path, { parameter, options }] of this.#members) {
      if (!parameter.trainable || this.#slots.has(path)) continue
      bytes += this.slotNames(options).length * 4 * parameter.size
    }
    return bytes
  }

  /** What is to be stored. The tensors stay the optimizer's own and change with the next step. */
  state(): OptimizerState {
    const tensors = new Map<string, Tensor>()
    const steps: Record<string, number> = {}
    for (const [path, slots] of this.#slots) {
      steps[path] = slots.step
      for (const [name, tensor] of Object.entries(slots.tensors)) tensors.set(`${path}.${name}`, tensor)
    }
    return { tensors, steps }
  }

  /** Refuses a stored state that does not fit, naming all that is wrong. */
  checkState({ tensors, steps }: OptimizerState): void {
    const problems: string[] = []
    const wanted = new Set<string>()
    for (const path of Object.keys(steps)) {
      const member = this.#members.get(path)
      if (!member) {
        problems.push(`${path}: the model has no such parameter`)
        continue
      }
      for (const name of this.slotNames(member.options)) {
        const key = `${path}.${name}`
        const tensor = tensors.get(key)
        wanted.add(key)
        if (!tensor) problems.push(`${key}: missing`)
        else if (!sameShape(tensor.shape, member.parameter.shape)) {
          problems.push(`${key}: wanted [${member.parameter.shape}], got [${tensor.shape}]`)
        }
      }
    }
    for (const key of tensors.keys()) if (!wanted.has(key)) problems.push(`${key}: unexpected`)
    if (problems.length) {
      throw new CheckpointError(
        'optimizer-state',
        `${this.name}: the stored state does not fit this optimizer; train with the options of the first run.\n` +
          problems.map((problem) => `  ${problem}`).join('\n'),
      )
    }
  }

  /** Takes a stored state over (copies of its tensors); one that does not fit changes nothing. */
  restore(state: OptimizerState): void {
    this.checkState(state)
    const { tensors, steps } = state
    const restored = Object.entries(steps).map(([path, step]): [string, Slots] => {
      const names = this.slotNames(this.#member(path).options)
      const own = Object.fromEntries(names.map((name) => [name, keep(clone(tensors.get(`${path}.${name}`)!))]))
      return [path, { step, tensors: own }]
    })
    this[Symbol.dispose]() // only now: the state may be this optimizer's own
    for (const [path, slots] of restored) this.#slots.set(path, slots)
  }

  /** Frees the slots. */
  [Symbol.dispose](): void {
    for (const { tensors } of this.#slots.values()) for (const tensor of Object.values(tensors)) tensor.dispose()
    this.#slots.clear()
  }
}

/** What to go down by: the gradient (against it, to maximize) with the decay added. */
export function withDecay(value: Tensor, grad: Tensor, { weightDecay, maximize }: CommonOptions): Tensor {
  const g = maximize ? neg(grad) : grad
  return weightDecay === 0 ? g : add(g, mul(value, weightDecay))
}

export function requireAtLeastZero(who: string, key: string, value: number): void {
  if (value >= 0) return
  throw new ConfigError('optimizer-option', `${who}: wanted ${key} of at least 0, got ${value}.`)
}

export function requireFraction(who: string, key: string, value: number): void {
  if (value >= 0 && value < 1) return
  throw new ConfigError('optimizer-option', `${who}: wanted ${key} from 0 up to (not including) 1, got ${value}.`)
}
