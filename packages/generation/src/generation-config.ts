import { ConfigError } from '@filature/tensor'
import type { GenerateOptions } from './options.ts'

type Mutable<T> = { -readonly [K in keyof T]: T[K] }

/** Keys of a Hugging Face generation_config.json (or keyword arguments of its `generate`), and ours. */
const NAMES = {
  max_length: 'maxLength',
  max_new_tokens: 'maxNewTokens',
  min_length: 'minLength',
  min_new_tokens: 'minNewTokens',
  early_stopping: 'earlyStopping',
  do_sample: 'sample',
  num_beams: 'numBeams',
  use_cache: 'useCache',
  temperature: 'temperature',
  top_k: 'topK',
  top_p: 'topP',
  min_p: 'minP',
  typical_p: 'typicalP',
  repetition_penalty: 'repetitionPenalty',
  length_penalty: 'lengthPenalty',
  no_repeat_ngram_size: 'noRepeatNgram',
  bad_words_ids: 'badWords',
  forced_bos_token_id: 'forcedBosId',
  forced_eos_token_id: 'forcedEosIds',
  suppress_tokens: 'suppressIds',
  begin_suppress_tokens: 'beginSuppressIds',
  num_return_sequences: 'numReturnSequences',
  pad_token_id: 'padId',
  bos_token_id: 'bosId',
  eos_token_id: 'eosIds',
} as const satisfies { [name: string]: keyof GenerateOptions }

/** Keys that say nothing about decoding, or (decoder_start_token_id) what the prompt says. */
const WITHOUT_EFFECT = new Set([
  '_from_model_config',
  'transformers_version',
  'decoder_start_token_id',
  'cache_implementation',
])

/** Keys that are not supported, with the value at which they do nothing. */
const UNSUPPORTED: { readonly [name: string]: unknown } = {
  num_beam_groups: 1,
  diversity_penalty: 0,
  encoder_repetition_penalty: 1,
  encoder_no_repeat_ngram_size: 0,
  epsilon_cutoff: 0,
  eta_cutoff: 0,
  penalty_alpha: 0,
  guidance_scale: 1,
  renormalize_logits: false,
  remove_invalid_values: false,
  output_attentions: false,
  output_hidden_states: false,
  output_scores: false,
  return_dict_in_generate: false,
}

/**
 * Options from a generation_config.json. null means left out, as there. A key that cannot be heeded throws, unless its
 * value is the one that does nothing. Sampling still needs `rng`.
 */
export function optionsFromConfig(config: { readonly [name: string]: unknown }): GenerateOptions {
  const options: Mutable<GenerateOptions> = {}
  for (const [name, value] of Object.entries(config)) {
    if (value === null || value === undefined || WITHOUT_EFFECT.has(name)) continue
    const ours = NAMES[name as keyof typeof NAMES]
    if (ours) {
      ;(options as { [name: string]: unknown })[ours] = value
    } else if (UNSUPPORTED[name] !== value) {
      throw new ConfigError(
        'generation-option',
        `generation: the option ${name}: ${JSON.stringify(value)} is not supported; leave it out.`,
      )
    }
  }
  return options
}
