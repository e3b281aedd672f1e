import { TokenizerError } from './errors.ts'

/** One place of a template: a text, or a special token. */
export type TemplateItem =
  | { readonly text: 0 | 1; readonly typeId: number }
  | { readonly special: readonly number[]; readonly typeId: number }

/** How special tokens surround one text and a pair of texts. */
export interface Template {
  readonly single: readonly TemplateItem[]
  readonly pair: readonly TemplateItem[]
}

const A: TemplateItem = { text: 0, typeId: 0 }

/** No special tokens: the texts alone. */
export const BARE: Template = { single: [A], pair: [A, { text: 1, typeId: 0 }] }

/** `bos` in front of each text and `eos` behind it, where given; as sequence models of the LLaMA kind have them. */
export function surround(bos: number | undefined, eos: number | undefined): Template {
  const wrap = (item: TemplateItem): TemplateItem[] => [
    ...(bos === undefined ? [] : [{ special: [bos], typeId: item.typeId }]),
    item,
    ...(eos === undefined ? [] : [{ special: [eos], typeId: item.typeId }]),
  ]
  return { single: wrap(A), pair: [...wrap(A), ...wrap({ text: 1, typeId: 1 })] }
}

/** BERT: [CLS] A [SEP], with B [SEP] behind as segment 1. */
export function bertTemplate(cls: number, sep: number): Template {
  const single: TemplateItem[] = [{ special: [cls], typeId: 0 }, A, { special: [sep], typeId: 0 }]
  return { single, pair: [...single, { text: 1, typeId: 1 }, { special: [sep], typeId: 1 }] }
}

/** RoBERTa: `<s> A </s>` and `<s> A </s></s> B </s>`, all in segment 0. */
function robertaTemplate(cls: number, sep: number): Template {
  const end: TemplateItem = { special: [sep], typeId: 0 }
  const single: TemplateItem[] = [{ special: [cls], typeId: 0 }, A, end]
  return { single, pair: [...single, end, { text: 1, typeId: 0 }, end] }
}

// biome-ignore lint/suspicious/noExplicitAny: read from a json file and checked below
type Json = any

/** The `post_processor` section of a tokenizer.json. */
export function templateOf(postProcessor: Json): Template {
  switch (postProcessor?.type) {
    case undefined:
    case 'ByteLevel':
      return BARE
    case 'BertProcessing':
      return bertTemplate(postProcessor.cls[1], postProcessor.sep[1])
    case 'RobertaProcessing':
      return robertaTemplate(postProcessor.cls[1], postProcessor.sep[1])
    case 'TemplateProcessing':
      return {
        single: postProcessor.single.map((item: Json) => itemOf(item, postProcessor.special_tokens)),
        pair: postProcessor.pair.map((item: Json) => itemOf(item, postProcessor.special_tokens)),
      }
    case 'Sequence': {
      const templates = (postProcessor.processors as Json[]).map(templateOf).filter((template) => template !== BARE)
      if (templates.length <= 1) return templates[0] ?? BARE
    }
  }
  throw new TokenizerError(
    'unsupported-post-processor',
    `tokenizer.json: post_processor ${JSON.stringify(postProcessor.type)} is not supported; ` +
      'wanted TemplateProcessing, BertProcessing, RobertaProcessing, ByteLevel, or a Sequence with one of them.',
  )
}

function itemOf(item: Json, specialTokens: Json): TemplateItem {
  if (item?.Sequence) return { text: item.Sequence.id === 'B' ? 1 : 0, typeId: item.Sequence.type_id ?? 0 }
  const name = item?.SpecialToken?.id
  const ids = specialTokens?.[name]?.ids
  if (!Array.isArray(ids)) {
    throw new TokenizerError(
      'malformed-tokenizer',
      `tokenizer.json: the template uses ${JSON.stringify(name)}, which its special_tokens do not list.`,
    )
  }
  return { special: ids, typeId: item.SpecialToken.type_id ?? 0 }
}
