import { flagOf } from '@filature/command-line'
import type { GenerateOptions } from '@filature/generation'
import { ConfigError } from '@filature/tensor'

export interface Drawing {
  /** 0: the likeliest token. */
  readonly temperature: number
  readonly beams: number
  readonly seed: number | undefined
  /** What else was said that means something only where tokens are drawn, by option. */
  readonly shaping?: Pick<GenerateOptions, 'topK' | 'topP' | 'minP'>
}

/** How each token is chosen: drawn, the likeliest, or by beams. Refuses what would have no effect. */
export function drawingOf({ temperature, beams, seed, shaping = {} }: Drawing): GenerateOptions {
  const shapes = Object.entries({ ...shaping, seed }).filter(([, value]) => value !== undefined)
  if (beams > 1) {
    const useless = temperature > 0 ? 'temperature' : shapes[0]?.[0]
    if (useless !== undefined) {
      throw new ConfigError(
        'beams-draw',
        `${flagOf(useless)}: beams of ${beams} draw nothing; leave it out, or take --beams 1.`,
      )
    }
    return { numBeams: beams }
  }
  if (temperature === 0) {
    if (shapes[0]) throw nothingDrawn(shapes[0][0])
    return { numBeams: 1 }
  }
  return { ...shaping, numBeams: 1, sample: true, temperature, rng: seedOrAnother(seed) }
}

/** The seed that was given, or another one each time. */
export const seedOrAnother = (seed: number | undefined): number => seed ?? Math.floor(Math.random() * 2 ** 32)

/** The refusal of an option that means nothing at temperature 0. */
export function nothingDrawn(option: string): ConfigError {
  return new ConfigError(
    'nothing-drawn',
    `${flagOf(option)}: at temperature 0 nothing is drawn; leave it out, or give a --temperature above 0.`,
  )
}
