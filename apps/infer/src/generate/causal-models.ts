import type { Checkpoint } from '@filature/checkpoint'
import type { GenerateOptions } from '@filature/generation'
import { Llama, llamaConfig } from '@filature/llama'
import { type CausalLM, ConfigError, type Dialect } from '@filature/tensor'
import type { Tokenizer } from '@filature/tokenizers'
import { GPT2LMHeadModel, gpt2Config, gpt2Dialects, NanoGPT, type NanoGPTConfig } from '@filature/transformer'

/** What a configuration says of a causal model, before weights are read. */
export interface CausalModel {
  readonly describe: () => CausalLM
  /** Tokens that it sees at most. */
  readonly context: number
  readonly bos?: number | undefined
  readonly eos?: number | readonly number[] | undefined
  /** How the names of the weights become the model's, where they are not. */
  readonly dialect?: (checkpoint: Checkpoint) => Dialect | undefined
}

/** A model in whatever format, before weights are read. */
export interface Described {
  readonly name: string
  readonly model: Omit<CausalModel, 'dialect'>
  readonly checkpoint: Checkpoint
  readonly dialect?: Dialect | undefined
  readonly tokenizer: () => Promise<Tokenizer>
  /** What the model's own generation_config.json says. */
  readonly defaults?: GenerateOptions
}

type Json = Readonly<Record<string, unknown>>

/** The causal models of a Hugging Face folder, by `model_type` of its config.json. */
const models: Readonly<Record<string, (json: Json) => CausalModel>> = {
  llama(json) {
    const config = llamaConfig({ ...json })
    return { describe: () => new Llama(config), context: contextOf(config.max_position_embeddings), ...endsOf(json) }
  },
  gpt2(json) {
    const config = gpt2Config({ ...json })
    return {
      describe: () => new GPT2LMHeadModel(config),
      context: config.n_positions ?? 1024,
      ...endsOf(json),
      // the first files on the hub hold the bare model
      dialect: (checkpoint) => (checkpoint.has('wte.weight') ? gpt2Dialects.hub : undefined),
    }
  },
  nanogpt({ model_type: _, ...json }) {
    const config = json as unknown as NanoGPTConfig
    return { describe: () => new NanoGPT(config), context: config.block_size, ...endsOf(json) }
  },
}

/** @param who the folder, for errors */
export function causalModel(json: Json, who: string): CausalModel {
  const { model_type: type = 'llama' } = json
  const model = Object.hasOwn(models, String(type)) ? models[String(type)] : undefined
  if (model) return model(json)
  const known = Object.keys(models).join(', ')
  throw new ConfigError(
    'generate-model',
    `${who}: wanted a causal language model of type ${known}; its config.json says ${type}.`,
  )
}

export const contextOf = (positions: number | null | undefined): number => positions ?? Number.POSITIVE_INFINITY

function endsOf({ bos_token_id: bos, eos_token_id: eos }: Json): Pick<CausalModel, 'bos' | 'eos'> {
  return { bos: (bos ?? undefined) as CausalModel['bos'], eos: (eos ?? undefined) as CausalModel['eos'] }
}
