import { list, wholeNumber } from '@filature/command-line'
import { InvalidArgumentError, Option } from 'commander'

/** An option of whole numbers with commas between: each once, the smallest first, `least` of them or more. */
export function listOption(flags: string, what: string, usual: readonly number[], least = 1): Option {
  const parse = list(wholeNumber(1))
  return new Option(flags, what).default(usual, usual.join()).argParser((text) => {
    const values = [...new Set(parse(text))].sort((a, b) => a - b)
    if (values.length >= least) return values
    throw new InvalidArgumentError(`Wanted ${least} different whole numbers or more, with commas between.`)
  })
}
