/** Plain numbers of a moment of training. */
export interface LogEntry {
  /** Steps made. */
  readonly step: number
  /** Mean loss over the steps since the entry before. */
  readonly loss: number
  readonly smoothedLoss: number
  readonly lr: number
  /** Norm of all gradients before clipping, mean over the same steps; where gradients are clipped by norm. */
  readonly gradientNorm?: number
  /** Of this run, pauses for evaluation and saving left out. */
  readonly stepsPerSecond: number
}

export interface RunInfo {
  /** Steps made before this run. */
  readonly from: number
  readonly steps: number
}

/** Shows or records how a run goes. */
export interface Reporter {
  start?(run: RunInfo): void | Promise<void>
  /** After each step, cheap. */
  step?(step: number): void
  log?(entry: LogEntry): void | Promise<void>
  evaluated?(step: number, metrics: Readonly<Record<string, number>>): void | Promise<void>
  saved?(step: number, where: string): void | Promise<void>
  /** A text to show (a sample). */
  note?(text: string): void | Promise<void>
  end?(): void | Promise<void>
}
