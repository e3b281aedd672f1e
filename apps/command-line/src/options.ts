import { InvalidArgumentError } from 'commander'

/** An option as a user types it: `heldOut` is `--held-out`. */
export const flagOf = (key: string): string => `--${key.replace(/[A-Z]/g, (c) => `-${c.toLowerCase()}`)}`

/** A parser of whole numbers for commander. */
export function wholeNumber(least: number): (text: string) => number {
  return (text) => {
    const value = Number(text)
    if (text.trim() === '' || !Number.isSafeInteger(value) || value < least) {
      throw new InvalidArgumentError(`Wanted a whole number of at least ${least}.`)
    }
    return value
  }
}

/** A parser of numbers within bounds, for commander; no upper bound when left out. */
export function numberWithin(low: number, high = Number.POSITIVE_INFINITY): (text: string) => number {
  return (text) => {
    const value = Number(text)
    if (text.trim() === '' || !Number.isFinite(value) || value < low || value > high) {
      throw new InvalidArgumentError(
        high === Number.POSITIVE_INFINITY
          ? `Wanted a number of at least ${low}.`
          : `Wanted a number from ${low} to ${high}.`,
      )
    }
    return value
  }
}

/** A parser of lists with commas between, for commander; `parse` reads each part. */
export function list(parse: (text: string) => number): (text: string) => number[] {
  return (text) => text.split(',').map(parse)
}
