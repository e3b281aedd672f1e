import { flagOf } from '@filature/command-line'
import { ConfigError } from '@filature/tensor'

/** Refuses a --batch that there is not enough to learn from for. */
export function requireBatch(batch: number, count: number, what: string): void {
  if (batch <= count) return
  throw new ConfigError('run-batch', `--batch ${batch}: there are ${count} ${what} to learn from; take fewer.`)
}

/** Refuses an entry that does not divide the other: heads and width. */
export function requireDivides<S extends object>(shape: S, divisor: keyof S & string, whole: keyof S & string): void {
  if (Number(shape[whole]) % Number(shape[divisor]) === 0) return
  throw new ConfigError(
    'run-divides',
    `${flagOf(divisor)} ${shape[divisor]}: it must divide ${flagOf(whole)} ${shape[whole]}; change one of them.`,
  )
}
