import type { SpecialIds } from './tokenizer.ts'
import type { AddedToken } from './tokenizer-json.ts'

/** What tokenizer_config.json and special_tokens_map.json say that matters here; their other keys change nothing. */
export interface TokenizerConfig {
  readonly tokenizer_class?: string
  readonly add_bos_token?: boolean
  readonly add_eos_token?: boolean
  readonly clean_up_tokenization_spaces?: boolean
  readonly padding_side?: 'left' | 'right'
  readonly truncation_side?: 'left' | 'right'
  readonly do_lower_case?: boolean
  readonly strip_accents?: boolean | null
  readonly tokenize_chinese_chars?: boolean
  readonly remove_space?: boolean | null
  readonly do_lowercase_and_remove_accent?: boolean
  readonly additional_special_tokens?: readonly NamedToken[]
  readonly added_tokens_decoder?: { readonly [id: string]: Omit<AddedToken, 'id'> }
  readonly bos_token?: NamedToken | null
  readonly eos_token?: NamedToken | null
  readonly unk_token?: NamedToken | null
  readonly pad_token?: NamedToken | null
  readonly cls_token?: NamedToken | null
  readonly sep_token?: NamedToken | null
  readonly mask_token?: NamedToken | null
  readonly [other: string]: unknown
}

/** A token by its text, or as an object that holds it. */
export type NamedToken = string | { readonly content: string }

export const contentOf = (token: NamedToken): string => (typeof token === 'string' ? token : token.content)

const ROLES = ['bos', 'eos', 'unk', 'pad', 'cls', 'sep', 'mask'] as const

/** The ids of the special roles: from the first configuration that names a token of the vocabulary. */
export function specialIdsOf(
  configs: readonly TokenizerConfig[],
  tokenToId: (token: string) => number | undefined,
): SpecialIds {
  const special: { -readonly [role in keyof SpecialIds]: SpecialIds[role] } = {}
  for (const role of ROLES) {
    for (const config of configs) {
      const token = config[`${role}_token`]
      const id = token ? tokenToId(contentOf(token)) : undefined
      if (id === undefined) continue
      special[role] = id
      break
    }
  }
  return special
}

/** Added tokens that the configuration lists and tokenizer.json does not. */
export function missingAddedTokens(config: TokenizerConfig, listed: readonly AddedToken[]): AddedToken[] {
  const known = new Set(listed.map(({ content }) => content))
  return Object.entries(config.added_tokens_decoder ?? {})
    .filter(([, token]) => !known.has(token.content))
    .map(([id, token]) => ({ ...token, id: Number(id) }))
}
