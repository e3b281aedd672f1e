import { rotaryFrequencies, yarnFactor } from '@filature/attention'
import { ConfigError } from '@filature/tensor'
import type { LlamaConfig } from './config.ts'
import type { RopeScaling } from './rope-scaling.ts'

/**
 * The configuration that a GGUF file's metadata holds.
 * @param ropeFactors the file's `rope_freqs.weight` where it has one: by what each rotary frequency is divided, the only
 * place where LLaMA 3.1 and later say how theirs are stretched
 */
export function fromGguf(metadata: Record<string, unknown>, ropeFactors?: ArrayLike<number>): LlamaConfig {
  const get = (key: string, fallback?: number) => Number(metadata[`llama.${key}`] ?? fallback)
  checkHeader(metadata)
  const tokens = metadata['tokenizer.ggml.tokens'] as unknown[] | undefined
  const C = get('embedding_length')
  const H = get('attention.head_count')
  const D = get('attention.key_length', C / H)
  if (get('expert_count', 0) > 0) {
    throw new ConfigError('llama-gguf', `Llama: the GGUF file is of a mixture of ${get('expert_count')} experts.`)
  }
  if (get('rope.dimension_count', D) !== D) {
    const rotated = get('rope.dimension_count')
    throw new ConfigError('llama-gguf', `Llama: the GGUF file turns ${rotated} of ${D} features, wanted all of them.`)
  }
  const rope_theta = get('rope.freq_base', 10000)
  const scaling = scalingOf(metadata, ropeFactors && stretchOf(ropeFactors, D, rope_theta))
  return {
    vocab_size: get('vocab_size', tokens?.length),
    hidden_size: C,
    intermediate_size: get('feed_forward_length'),
    num_hidden_layers: get('block_count'),
    num_attention_heads: H,
    num_key_value_heads: get('attention.head_count_kv', H),
    ...(D === C / H ? {} : { head_dim: D }),
    rms_norm_eps: get('attention.layer_norm_rms_epsilon', 1e-5),
    max_position_embeddings: get('context_length', 2048),
    rope_theta,
    ...(scaling ? { rope_scaling: scaling } : {}),
    ...idOf('bos_token_id', metadata['tokenizer.ggml.bos_token_id']),
    ...idOf('eos_token_id', metadata['tokenizer.ggml.eos_token_id']),
  }
}

const idOf = (key: string, value: unknown) => (value === undefined ? {} : { [key]: Number(value) })

function checkHeader(metadata: Record<string, unknown>): void {
  const architecture = metadata['general.architecture'] ?? 'llama'
  if (architecture !== 'llama') {
    throw new ConfigError('llama-gguf', `Llama: wanted a GGUF file of the architecture llama, got ${architecture}.`)
  }
  const needed = ['embedding_length', 'feed_forward_length', 'block_count', 'attention.head_count']
  const missing = needed.map((key) => `llama.${key}`).filter((key) => metadata[key] === undefined)
  if (missing.length > 0) {
    throw new ConfigError(
      'llama-gguf',
      `Llama: the GGUF file's metadata lacks ${missing.join(', ')}; pass Object.fromEntries(checkpoint.metadata).`,
    )
  }
}

/** What the header says, or the file's factors; both at once are of no published model. */
function scalingOf(metadata: Record<string, unknown>, stretch: RopeScaling | undefined): RopeScaling | undefined {
  const stated = statedScaling(metadata)
  if (stated && stretch && stretch.rope_type !== 'default') {
    throw new ConfigError(
      'llama-rope',
      `Llama: the GGUF file has rope scaling of type ${stated.rope_type} and rope_freqs.weight beside it; wanted one of them.`,
    )
  }
  return stated ?? stretch
}

function statedScaling(metadata: Record<string, unknown>): RopeScaling | undefined {
  const type = metadata['llama.rope.scaling.type'] ?? 'linear'
  const factor = Number(metadata['llama.rope.scaling.factor'] ?? metadata['llama.rope.scale_linear'] ?? 1)
  if (type === 'none' || (type === 'linear' && factor === 1)) return undefined // 'none' heeds no factor
  if (type === 'linear') return { rope_type: 'linear', factor }
  if (type === 'yarn') return yarnOf(metadata, factor)
  throw new ConfigError('llama-rope', `Llama: wanted rope scaling none, linear or yarn in the GGUF file, got ${type}.`)
}

/** What llama.cpp's other models vary in YaRN, and LLaMA does not. */
const yarnAsUsual = { yarn_ext_factor: 1, yarn_attn_factor: 1, yarn_log_multiplier: 0 } as const

/** `attn_factor` goes on top of the temperature that the factor gives. */
function yarnOf(metadata: Record<string, unknown>, factor: number): RopeScaling {
  const get = (key: string) => {
    const value = metadata[`llama.rope.scaling.${key}`]
    return value === undefined ? undefined : Number(value)
  }
  for (const [key, usual] of Object.entries(yarnAsUsual)) {
    const value = get(key) ?? usual
    if (value !== usual) {
      throw new ConfigError('llama-rope', `Llama: the GGUF file's YaRN has ${key} ${value}; wanted ${usual}.`)
    }
  }
  const [trained, fast, slow] = [get('original_context_length'), get('yarn_beta_fast'), get('yarn_beta_slow')]
  const attention = get('attn_factor')
  return {
    rope_type: 'yarn',
    factor,
    ...(trained === undefined ? {} : { original_max_position_embeddings: trained }),
    ...(fast === undefined ? {} : { beta_fast: fast }),
    ...(slow === undefined ? {} : { beta_slow: slow }),
    ...(attention === undefined ? {} : { attention_factor: attention * yarnFactor(factor) }),
  }
}

/** The scaling of LLaMA 3.1 and later that gives these factors: the last and lowest frequency has the whole of it. */
function stretchOf(factors: ArrayLike<number>, width: number, base: number): RopeScaling {
  const factor = factors[factors.length - 1]!
  if (Array.from(factors).every((f) => f === 1)) return { rope_type: 'default' }
  const [low_freq_factor, high_freq_factor, original_max_position_embeddings] = [1, 4, 8192]
  const stretched = rotaryFrequencies({
    width,
    base,
    scaling: {
      type: 'llama3',
      factor,
      lowFreqFactor: low_freq_factor,
      highFreqFactor: high_freq_factor,
      maxPositions: original_max_position_embeddings,
    },
  })
  const plain = rotaryFrequencies({ width, base })
  const differs = plain.findIndex((f, i) => !(Math.abs(f / factors[i]! / stretched[i]! - 1) < 1e-4))
  if (differs >= 0 || factors.length !== plain.length) {
    throw new ConfigError(
      'llama-rope',
      `Llama: the rope_freqs.weight of the GGUF file are not those of LLaMA 3.1 by a factor of ${factor}; ` +
        'this scaling is not supported.',
    )
  }
  return { rope_type: 'llama3', factor, low_freq_factor, high_freq_factor, original_max_position_embeddings }
}
