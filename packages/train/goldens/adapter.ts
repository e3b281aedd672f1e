import { type Adapter, adapter, type Golden } from '@filature/goldens'
import { Module, Parameter, type Tensor, tensor, tidy, zerosInit } from '@filature/tensor'
import {
  Adagrad,
  Adam,
  AdamW,
  type Clipping,
  clipByNorm,
  clipByValue,
  cosineAnnealing,
  linearWarmupCosine,
  linearWarmupStep,
  type NormType,
  type Optimizer,
  RMSprop,
  SGD,
} from '../src/index.ts'

const optimizersByName = { SGD, Adagrad, Adam, AdamW, RMSprop }

interface Run {
  optimizer: keyof typeof optimizersByName
  options: Record<string, unknown>
  clip: { kind: 'value' | 'norm'; max: number; norm_type: string | null } | null
}

/** torch's names of options in ours: weight_decay -> weightDecay. */
const camelCase = (options: Record<string, unknown>) =>
  Object.fromEntries(Object.entries(options).map(([k, v]) => [k.replace(/_(\w)/g, (_, c) => c.toUpperCase()), v]))

class Loose extends Module {
  readonly p: Parameter[]

  constructor(starts: Tensor[]) {
    super()
    this.p = starts.map((start) => new Parameter(start.shape, zerosInit))
    this.p.forEach((parameter, i) => void parameter.assign(starts[i]!))
  }
}

function clippingOf({ clip }: Run): Clipping | null {
  if (!clip) return null
  if (clip.kind === 'value') return { value: clip.max }
  const type = clip.norm_type === 'inf' ? Number.POSITIVE_INFINITY : Number(clip.norm_type)
  return { norm: clip.max, type: type as NormType }
}

async function runOptimizer(golden: Golden, name: string, run: Run): Promise<void> {
  const names = golden.list(/^inputs\.p\d+$/).map((full) => full.slice('inputs.'.length))
  using model = new Loose(names.map((p) => golden.input(p)))
  const raw = names.map((p) => golden.read(`inputs.grads.${p}`))
  const Kind = optimizersByName[run.optimizer] as new (model: Module, options: object) => Optimizer
  using optimizer = new Kind(model, camelCase(run.options))
  const clipping = clippingOf(run)
  const after: number[][] = names.map(() => [])
  const norms: number[] = []
  for (let step = 0; step < golden.config.steps; step++) {
    const norm = tidy(() => {
      let grads = new Map(
        raw.map(({ shape, data }, i) => {
          const size = data.length / shape[0]!
          const own = Float32Array.from({ length: size }, (_, e) => data[step * size + e]!)
          return [`p.${i}`, tensor(own, shape.slice(1)) as Tensor]
        }),
      )
      if (clipping && 'value' in clipping) grads = clipByValue(grads, clipping.value)
      else if (clipping) {
        const clipped = clipByNorm(grads, clipping.norm, clipping.type)
        grads = clipped.grads
        optimizer.step(grads)
        return clipped.totalNorm
      }
      optimizer.step(grads)
      return null
    })
    if (norm) norms.push((await norm.data())[0]!)
    norm?.dispose()
    for (const [i, parameter] of model.p.entries()) after[i]!.push(...(await parameter.value.data()))
  }
  names.forEach((p, i) => {
    golden.expect(`${name}.${p}`, { shape: raw[i]!.shape, data: after[i]! })
  })
  if (norms.length) golden.expect(`${name}.total_norm`, norms)
}

type ScheduleOptions = Record<string, number>

function ratesOf({ class: kind, options, ...run }: { class: string; options: ScheduleOptions } & ScheduleOptions) {
  if (kind.endsWith('CosineAnnealingLR')) {
    const { lr, T_max, eta_min } = options
    const schedule = cosineAnnealing({ lr: lr!, minLr: eta_min ?? 0, maxSteps: T_max! })
    return { shape: [run.steps!], data: Array.from({ length: run.steps! }, (_, i) => schedule(i)) }
  }
  const { min_lr, init_lr, warmup_steps, warmup_start_lr = -1, max_epoch, iters_per_epoch, decay_rate } = options
  const common = {
    lr: init_lr!,
    minLr: min_lr!,
    ...(warmup_steps === undefined ? {} : { warmupSteps: warmup_steps }),
    ...(warmup_start_lr >= 0 ? { warmupStartLr: warmup_start_lr } : {}),
  }
  const schedule =
    kind === 'LinearWarmupCosineLRScheduler'
      ? linearWarmupCosine({ ...common, epochs: max_epoch!, itersPerEpoch: iters_per_epoch! })
      : linearWarmupStep({ ...common, decayRate: decay_rate! })
  const [epochs, iters] = [run.epochs_run!, run.iters_run!]
  const data = Array.from({ length: epochs * iters }, (_, n) => schedule(Math.floor(n / iters), n % iters))
  return { shape: [epochs, iters], data }
}

export const adapters: Adapter[] = [
  adapter({
    cases: /^optimizers/,
    async run(golden) {
      for (const [name, run] of Object.entries<Run>(golden.config.runs)) await runOptimizer(golden, name, run)
    },
  }),
  adapter({
    cases: /^lr_schedules/,
    run(golden) {
      for (const [name, entry] of Object.entries<Parameters<typeof ratesOf>[0]>(golden.config)) {
        golden.expect(`${name}.lr`, ratesOf(entry))
      }
    },
  }),
]
