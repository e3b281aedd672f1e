import { ConfigError } from './errors.ts'

/** What a hub's config.json may say, for one kind of model. An option that changes nothing when it is off may be there. */
export interface ConfigKeys {
  /** The model's name in errors. */
  who: string
  /** Keys that the model reads. */
  known: readonly string[]
  /** Keys that change nothing here. */
  neutral: readonly string[]
  /** Keys of options that are not supported, with the values that mean "off". */
  off: Readonly<Record<string, readonly unknown[]>>
}

/** Keys of every hub configuration that do not change what a model computes. */
// biome-ignore format: a list
const HUB_KEYS = [
  '_name_or_path', 'architectures', 'model_type', 'torch_dtype', 'dtype', 'transformers_version', 'use_cache',
  'task_specific_params', 'finetuning_task', 'output_attentions', 'output_hidden_states', 'return_dict', 'torchscript',
  'bos_token_id', 'eos_token_id', 'pad_token_id', 'sep_token_id', 'id2label', 'label2id', 'problem_type',
] as const

/** The known keys of a config.json; a key that is unknown, or an option that is not supported, is refused. */
export function configFrom<C>({ who, known, neutral, off }: ConfigKeys, json: Record<string, unknown>): C {
  const config: Record<string, unknown> = {}
  const unknown: string[] = []
  for (const [key, value] of Object.entries(json)) {
    if (known.includes(key)) config[key] = value
    else if (key in off) {
      if (!off[key]!.includes(value)) {
        throw new ConfigError(
          'config-unsupported',
          `${who}: config.json says ${key}: ${JSON.stringify(value)}, which is not supported here; ` +
            `supported: ${off[key]!.map((v) => JSON.stringify(v)).join(', ')}.`,
        )
      }
    } else if (!neutral.includes(key) && !(HUB_KEYS as readonly string[]).includes(key)) unknown.push(key)
  }
  if (unknown.length) {
    throw new ConfigError(
      'config-unknown',
      `${who}: config.json says ${unknown.map((key) => `${key}: ${JSON.stringify(json[key])}`).join(', ')}, which this ` +
        'model does not know; the checkpoint is of another architecture, or newer than this package.',
    )
  }
  return config as C
}
