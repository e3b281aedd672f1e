import type { RotaryScaling } from '@filature/attention'
import { ConfigError } from '@filature/tensor'

/** How rotary positions reach beyond the trained length; keys as in `config.json`. */
export interface RopeScaling {
  type?: 'linear' | 'dynamic' | 'llama3' | 'default'
  /** The newer name of `type`. */
  rope_type?: 'linear' | 'dynamic' | 'llama3' | 'default'
  /** By what the length is stretched, 1 or more. */
  factor?: number
  /** The last three are of llama3: turns within the trained length below and above which a frequency is low or high. */
  low_freq_factor?: number
  high_freq_factor?: number
  original_max_position_embeddings?: number
}

type Numbers = Exclude<keyof RopeScaling, 'type' | 'rope_type'>

/** What each type needs to say. */
const keysOf: Record<string, readonly Numbers[]> = {
  default: [],
  linear: ['factor'],
  dynamic: ['factor'],
  llama3: ['factor', 'low_freq_factor', 'high_freq_factor', 'original_max_position_embeddings'],
}

/** @param maxPositions the trained length, from which `dynamic` counts */
export function rotaryScaling(
  scaling: RopeScaling | null | undefined,
  maxPositions: number,
): RotaryScaling | undefined {
  const type = scaling?.rope_type ?? scaling?.type
  if (!scaling || (type === undefined && Object.keys(scaling).length === 0)) return undefined
  const fail = (message: string): never => {
    throw new ConfigError('llama-rope', `Llama: ${message}`)
  }
  const needed = keysOf[type ?? '']
  if (!needed) {
    return fail(`wanted rope_scaling of type linear, dynamic or llama3, got '${type}'; this scaling is not supported.`)
  }
  const { type: _, rope_type: __, ...given } = scaling
  const unknown = Object.keys(given).filter((key) => !needed.includes(key as Numbers))
  if (unknown.length) fail(`rope_scaling of type ${type} says ${unknown.join(', ')}, which it does not have here.`)
  for (const key of needed) {
    const value = given[key]
    if (typeof value !== 'number' || !(value > 0)) {
      fail(`wanted a number above 0 as ${key} of rope_scaling of type ${type}, got ${value}; check config.json.`)
    }
  }
  const { factor, low_freq_factor, high_freq_factor, original_max_position_embeddings } = given as Record<
    Numbers,
    number
  >
  if (factor < 1) fail(`wanted a rope_scaling factor of 1 or more, got ${factor}.`)
  if (type === 'linear') return { type, factor }
  if (type === 'dynamic') return { type, factor, maxPositions }
  if (type !== 'llama3') return undefined
  if (high_freq_factor <= low_freq_factor) {
    fail(`wanted a high_freq_factor above the low_freq_factor ${low_freq_factor}, got ${high_freq_factor}.`)
  }
  return {
    type,
    factor,
    lowFreqFactor: low_freq_factor,
    highFreqFactor: high_freq_factor,
    maxPositions: original_max_position_embeddings,
  }
}
