import type { Writable } from 'node:stream'
import { type Options, SingleBar } from 'cli-progress'
import type { LogEntry, Reporter } from '../reporter.ts'

export interface ProgressBarOptions {
  stream?: Writable & { isTTY?: boolean }
  /** What stands behind the bar. */
  describe?: (entry: LogEntry) => string
  /** What an evaluation prints. */
  describeEvaluation?: (metrics: Readonly<Record<string, number>>) => string
  /** Without a terminal: steps between two printed lines. */
  printEvery?: number
}

const describeLoss = ({ smoothedLoss, stepsPerSecond }: LogEntry) =>
  `loss ${smoothedLoss.toFixed(3)} · ${stepsPerSecond.toFixed(stepsPerSecond < 10 ? 1 : 0)} steps/s`

const describeMetrics = (metrics: Readonly<Record<string, number>>) =>
  Object.entries(metrics)
    .map(([name, value]) => `${name} ${value.toFixed(3)}`)
    .join(' · ')

const format: Options = {
  format: '{bar} {percentage}% · {value}/{total} · {rest}{text}',
  barCompleteChar: '█',
  barIncompleteChar: '░',
  barsize: 24,
  hideCursor: true,
  clearOnComplete: true,
  fps: 8,
  gracefulExit: false,
}

/** A bar on a terminal; without one (a pipe, a log file) a line now and then. */
export function progressBar(options: ProgressBarOptions = {}): Reporter {
  const {
    stream = process.stdout,
    describe = describeLoss,
    describeEvaluation = describeMetrics,
    printEvery = 100,
  } = options
  const print = (text: string) => void stream.write(`${text}\n`)
  let steps = 0
  let bar: SingleBar | undefined
  let began = 0
  let from = 0
  let last = { rest: '', text: '' }
  let printed = 0

  const remaining = (step: number) => {
    const seconds = (((performance.now() - began) / 1000) * (steps - step)) / Math.max(1, step - from)
    return step > from ? `${duration(seconds)} left · ` : ''
  }
  /** Prints above the bar. */
  const above = (text: string, step?: number) => {
    if (!bar) return print(text)
    const at = step ?? (bar as unknown as { value: number }).value
    bar.stop()
    print(text)
    bar = new SingleBar({ ...format, stream: stream as NodeJS.WritableStream })
    bar.start(steps, at, last)
  }

  return {
    start(run) {
      steps = run.steps
      from = run.from
      began = performance.now()
      if (!stream.isTTY) return
      bar = new SingleBar({ ...format, stream: stream as NodeJS.WritableStream })
      bar.start(steps, from, last)
    },
    step: (step) => bar?.update(step, { ...last, rest: remaining(step) }),
    log(entry) {
      last = { rest: remaining(entry.step), text: describe(entry) }
      if (bar) bar.update(entry.step, last)
      else if (entry.step - printed >= printEvery || entry.step === steps) {
        printed = entry.step
        print(`step ${entry.step}/${steps} · ${last.rest}${last.text}`)
      }
    },
    evaluated: (step, metrics) => above(`step ${step} · held out: ${describeEvaluation(metrics)}`, step),
    note: (text) => above(text),
    end: () => bar?.stop(),
  }
}

export function duration(seconds: number): string {
  const s = Math.max(0, Math.round(seconds))
  if (s < 60) return `${s} s`
  const rest = String(s % 60).padStart(2, '0')
  return s < 3600 ? `${Math.floor(s / 60)}:${rest} min` : `${Math.floor(s / 3600)} h ${Math.floor((s % 3600) / 60)} min`
}
