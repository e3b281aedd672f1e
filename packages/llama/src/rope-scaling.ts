import { type RotaryScaling, yarnFactor } from '@filature/attention'
import { ConfigError } from '@filature/tensor'

/** How rotary positions reach beyond the trained length; keys as in `config.json`. */
export interface RopeScaling {
  type?: RotaryScaling['type'] | 'default'
  /** The newer name of `type`. */
  rope_type?: RotaryScaling['type'] | 'default'
  /** By what the length is stretched, 1 or more. */
  factor?: number | null
  /** The trained length: of llama3, yarn and longrope. */
  original_max_position_embeddings?: number
  /** Of llama3: turns within the trained length below and above which a frequency is low or high. */
  low_freq_factor?: number
  high_freq_factor?: number
  /** Of yarn: turns above and below which a frequency is kept or divided, and whether these fall on whole pairs. */
  beta_fast?: number | null
  beta_slow?: number | null
  truncate?: boolean
  /** Of yarn and longrope: what cosines and sines are multiplied by. */
  attention_factor?: number | null
  /** Of yarn: the same as a ratio of two. */
  mscale?: number | null
  mscale_all_dim?: number | null
  /** Of longrope: what each frequency is divided by, within the trained length and beyond it. */
  short_factor?: readonly number[]
  long_factor?: readonly number[]
}

type Key = Exclude<keyof RopeScaling, 'type' | 'rope_type'>
type Type = RotaryScaling['type'] | 'default'

/** What each type needs to say, and what it may say. */
const keysOf: Record<Type, { needed: readonly Key[]; optional?: readonly (Key | 'finetuned')[] }> = {
  default: { needed: [] },
  linear: { needed: ['factor'] },
  dynamic: { needed: ['factor'] },
  llama3: { needed: ['factor', 'low_freq_factor', 'high_freq_factor', 'original_max_position_embeddings'] },
  yarn: {
    needed: [],
    // 'finetuned' tells how the weights came to be, and changes nothing
    optional: [
      ...(['factor', 'original_max_position_embeddings', 'attention_factor', 'beta_fast', 'beta_slow'] as const),
      ...(['mscale', 'mscale_all_dim', 'truncate', 'finetuned'] as const),
    ],
  },
  longrope: {
    needed: ['short_factor', 'long_factor'],
    optional: ['factor', 'original_max_position_embeddings', 'attention_factor'],
  },
}
const known = (type: unknown): type is Type => typeof type === 'string' && Object.hasOwn(keysOf, type)

const fail = (message: string): never => {
  throw new ConfigError('llama-rope', `Llama: ${message}`)
}

/**
 * @param maxPositions the length that the model is for: the trained one, where the scaling says no other
 * @param width rotated features of a head
 */
export function rotaryScaling(
  scaling: RopeScaling | null | undefined,
  maxPositions: number,
  width: number,
): RotaryScaling | undefined {
  const type = scaling?.rope_type ?? scaling?.type
  if (!scaling || (type === undefined && Object.keys(scaling).length === 0)) return undefined
  if (!known(type)) {
    const types = Object.keys(keysOf).slice(1).join(', ')
    return fail(`wanted rope_scaling of type ${types}, got '${type}'; this scaling is not supported.`)
  }
  const given = check(type, scaling, width)
  const trained = given.original_max_position_embeddings ?? maxPositions
  const factor = given.factor ?? maxPositions / trained
  if (factor < 1) fail(`wanted a rope_scaling factor of 1 or more, got ${factor}.`)
  switch (type) {
    case 'default':
      return undefined
    case 'linear':
      return { type, factor }
    case 'dynamic':
      return { type, factor, maxPositions }
    case 'llama3':
      return { type, factor, ...turnsOf(given), maxPositions: trained }
    case 'yarn':
      return {
        type,
        factor,
        maxPositions: trained,
        betaFast: given.beta_fast ?? 32,
        betaSlow: given.beta_slow ?? 1,
        truncate: given.truncate ?? true,
        attentionFactor: given.attention_factor ?? yarnTemperature(factor, given),
      }
    case 'longrope':
      return {
        type,
        shortFactors: given.short_factor!,
        longFactors: given.long_factor!,
        maxPositions: trained,
        attentionFactor: given.attention_factor ?? Math.sqrt(1 + Math.log(factor) / Math.log(trained)),
      }
  }
}

/** Refuses what a type does not have, lacks, or cannot take. */
function check(type: Type, scaling: RopeScaling, width: number): RopeScaling {
  const { type: _, rope_type: __, ...given } = scaling
  const { needed, optional = [] } = keysOf[type]
  const unknown = Object.keys(given).filter((key) => ![...needed, ...optional].includes(key as Key))
  if (unknown.length) fail(`rope_scaling of type ${type} says ${unknown.join(', ')}, which it does not have here.`)
  for (const key of [...needed, ...optional] as Key[]) {
    const value = given[key] ?? undefined
    if (value === undefined && !needed.includes(key)) continue
    const wanted = wantedOf(key, width)
    if (!wanted.fits(value)) {
      fail(
        `wanted ${wanted.what} as ${key} of rope_scaling of type ${type}, got ${JSON.stringify(value)}; check config.json.`,
      )
    }
  }
  return given
}

const isPositive = (x: unknown): boolean => typeof x === 'number' && x > 0

function wantedOf(key: Key | 'finetuned', width: number): { what: string; fits: (value: unknown) => boolean } {
  if (key === 'truncate' || key === 'finetuned') return { what: 'true or false', fits: (x) => typeof x === 'boolean' }
  if (key === 'short_factor' || key === 'long_factor') {
    const fits = (x: unknown) => Array.isArray(x) && x.length === width / 2 && x.every(isPositive)
    return { what: `a list of ${width / 2} numbers above 0`, fits }
  }
  return { what: 'a number above 0', fits: isPositive }
}

function turnsOf({ low_freq_factor: low, high_freq_factor: high }: RopeScaling) {
  if (high! <= low!) fail(`wanted a high_freq_factor above the low_freq_factor ${low}, got ${high}.`)
  return { lowFreqFactor: low!, highFreqFactor: high! }
}

function yarnTemperature(factor: number, { mscale, mscale_all_dim }: RopeScaling): number {
  if (!mscale || !mscale_all_dim) return yarnFactor(factor)
  return yarnFactor(factor, mscale) / yarnFactor(factor, mscale_all_dim)
}
