import { describe, expect, it } from 'vitest'
import { optionsFromConfig } from './generation-config.ts'

describe('optionsFromConfig', () => {
  it('translates what is supported', () => {
    const config = {
      _from_model_config: true,
      bos_token_id: 1,
      eos_token_id: [2, 3],
      pad_token_id: null,
      do_sample: true,
      temperature: 0.6,
      top_p: 0.9,
      max_length: 4096,
      early_stopping: 'never',
      num_beam_groups: 1,
      transformers_version: '4.32.0',
    }
    expect(optionsFromConfig(config)).toEqual({
      bosId: 1,
      eosIds: [2, 3],
      sample: true,
      temperature: 0.6,
      topP: 0.9,
      maxLength: 4096,
      earlyStopping: 'never',
    })
  })

  it('refuses what is not, unless it does nothing', () => {
    expect(() => optionsFromConfig({ penalty_alpha: 0.6 })).toThrow(
      expect.objectContaining({ code: 'generation-option' }),
    )
    expect(() => optionsFromConfig({ topp: 0.9 })).toThrow(/topp/)
    expect(optionsFromConfig({ penalty_alpha: 0 })).toEqual({})
  })
})
