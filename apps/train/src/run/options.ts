import { type BackendOptions, flagOf, numberWithin, wholeNumber, withBackend } from '@filature/command-line'
import { type Command, Option } from 'commander'

/** What every training command takes, as commander gives it. */
export interface RunOptions extends BackendOptions {
  out?: string
  resume?: string
  minutes?: number
  /** Of commands whose usual length is told in epochs. */
  epochs?: number
  steps?: number
  seed?: number
  evaluateEvery?: number
  saveEvery?: number
}

/** How long a run is when nothing is said. */
export type UsualLength = { readonly minutes: number } | { readonly epochs: number; readonly of: string }

/** Adds --out, --resume, --minutes, --steps and --seed; `folder` and `seed` say what they mean to this command. */
export function withRun(command: Command, it: { folder: string; length: UsualLength; seed: string }): Command {
  command
    .option('--out <dir>', `folder for checkpoints and metrics (default: ${it.folder})`)
    .option('--resume <dir>', 'go on with a run, bit for bit, from its newest checkpoint')
  if ('epochs' in it.length) {
    const { epochs, of } = it.length
    command
      .option('--epochs <n>', `times that ${of} are seen (default: ${epochs})`, numberWithin(0.01))
      .option('--minutes <n>', 'train for about that long instead', numberWithin(0.01))
  } else {
    command.option('--minutes <n>', `train for about that long (default: ${it.length.minutes})`, numberWithin(0.01))
  }
  return command
    .option('--steps <n>', 'train for that many steps in all instead', wholeNumber(1))
    .option('--seed <n>', `${it.seed} (default: 1)`, wholeNumber(0))
}

/** What a command calls its tests, and how often they and checkpoints come when nothing is said. */
export interface Intervals {
  readonly tests?: string
  readonly every?: string
}

/** Adds --evaluate-every and --save-every. */
function withIntervals(command: Command, { tests = 'tests', every = 'an eighth of the run' }: Intervals): Command {
  return command
    .option('--evaluate-every <steps>', `steps between ${tests} (default: ${every})`, wholeNumber(1))
    .option('--save-every <steps>', `steps between checkpoints (default: ${every})`, wholeNumber(1))
}

/** How an option of a model's shape is typed; its flag and its usual value are the shape's. */
interface ShapeOption {
  readonly value: string
  readonly what: string
  readonly parse?: (text: string) => number
  readonly choices?: readonly string[]
}

export const whole = (value: string, what: string, least = 1): ShapeOption => ({
  value,
  what,
  parse: wholeNumber(least),
})

export const number = (value: string, what: string, low: number, high?: number): ShapeOption => ({
  value,
  what,
  parse: numberWithin(low, high),
})

export const choice = (value: string, what: string, choices: readonly string[]): ShapeOption => ({
  value,
  what,
  choices,
})

/** Adds an option for each entry of a shape; the help says the usual values, which stay out of what was given. */
export function withShape<K extends string>(
  command: Command,
  usual: Readonly<Record<K, number | string>>,
  options: Readonly<Record<K, ShapeOption>>,
): Command {
  for (const [key, { value, what, parse, choices }] of Object.entries<ShapeOption>(options)) {
    const text = `${what} (default: ${usual[key as K]})`
    const option = new Option(`${flagOf(key)} ${value}`, text)
    if (parse) option.argParser(parse)
    if (choices) option.choices(choices)
    command.addOption(option)
  }
  return command
}

type Stoppable<O> = (options: O) => Promise<{ readonly reason: 'finished' | 'stopped' }>

/** Ends a training command: intervals, the backend and what it does. */
export function trains<O>(command: Command, train: Stoppable<O>, intervals: Intervals = {}): Command {
  return runs(withIntervals(command, intervals), train)
}

/** Adds the backend and what the command does; exit code 130 where Ctrl-C stopped it. */
export function runs<O>(command: Command, run: Stoppable<O>): Command {
  return withBackend(command).action(async (options: O) => {
    const { reason } = await run(options)
    if (reason === 'stopped') process.exitCode = 130
  })
}
