import { load } from '@filature/checkpoint'
import { ConfigError } from '@filature/tensor'
import { loadTokenizer, type Tokenizer } from '@filature/tokenizers'
import { BertForMaskedLM, bertConfig, bertDialects } from '@filature/transformer'
import { openModel } from '../open-model.ts'

/** Ids of the tokens that a text is dressed in. */
export interface BertSpecial {
  readonly cls: number
  readonly sep: number
  readonly mask: number
}

export interface OpenBert extends Disposable {
  readonly name: string
  readonly model: BertForMaskedLM
  readonly tokenizer: Tokenizer
  readonly special: BertSpecial
  /** Tokens of the longest text, [CLS] and [SEP] among them. */
  readonly longest: number
}

/**
 * A BERT that can name masked words: BertForPreTraining or BertForMaskedLM, from a Hugging Face folder, a hub id, or a
 * run of `filature-train bert` (its `model`, or its best checkpoint while it is not finished).
 */
export async function openBert(target: string): Promise<OpenBert> {
  await using files = await openModel(target)
  const { model_type } = files.config
  if (model_type !== 'bert') {
    throw new ConfigError(
      'bert-model',
      `--model ${target}: wanted a model of type bert, its config.json says ${model_type}.`,
    )
  }
  const names = files.checkpoint.names()
  if (!names.some((name) => name.startsWith('cls.predictions.'))) {
    throw new ConfigError(
      'bert-head',
      `--model ${target}: wanted a BERT that names masked words (BertForPreTraining, BertForMaskedLM), its weights have no ` +
        'cls.predictions; take the pretrained model that it was made from.',
    )
  }
  const tokenizer = await loadTokenizer((name) => files.bytes(name))
  const { cls, sep, mask } = tokenizer.special
  if (cls === undefined || sep === undefined || mask === undefined) {
    throw new ConfigError(
      'bert-tokenizer',
      `--model ${target}: wanted a tokenizer with the tokens cls, sep and mask; tokenizer_config.json must name them.`,
    )
  }
  const config = bertConfig(files.config)
  const model = new BertForMaskedLM(config)
  await load(model, files.checkpoint, {
    // words alone are asked for: neither the next sentence nor the pooler
    leaveOut: [/^cls\.seq_relationship\./, /^bert\.pooler\./],
    ...(names.some((name) => name.endsWith('LayerNorm.gamma')) ? { dialect: bertDialects.gammaBeta } : {}),
  })
  return {
    name: files.name,
    model,
    tokenizer,
    special: { cls, sep, mask },
    longest: config.max_position_embeddings ?? 512,
    [Symbol.dispose]: () => model[Symbol.dispose](),
  }
}
