import type { LibraryDecoder, LibraryTokenizer } from './library.ts'

/** Puts right on the library's instance what it reads otherwise than the format (the Rust library) and no step can say. */
export function mendLibrary(library: LibraryTokenizer, vocab: object): void {
  const { model } = library
  if (model.fuse_unk) {
    // unknown pieces are one within a word, not across words
    const call = model._call.bind(model)
    model._call = (words) => words.flatMap((word) => call([word]))
  }
  const single = library.added_tokens.filter(({ single_word }) => single_word)
  if (single.length > 0) {
    // there they are words of the model too
    for (const { content } of single) if (!Object.hasOwn(vocab, content)) model.tokens_to_ids.delete(content)
    const added = new Map(single.map(({ content, id }) => [content, id]))
    library.token_to_id = (token) => model.tokens_to_ids.get(token) ?? added.get(token)
    for (const splitter of [library.splitter_unnormalized, library.splitter_normalized]) {
      const split = splitter.split.bind(splitter)
      splitter.split = (text) => whereAlone(split(text), library.added_tokens_map)
    }
  }
  if (library.decoder) keepByteOrderMarks(library.decoder)
}

const WORD = '[\\p{Alphabetic}\\p{M}\\p{Nd}\\p{Pc}\\p{Join_Control}]'
const ENDS_IN_WORD = new RegExp(`${WORD}$`, 'u')
const BEGINS_WITH_WORD = new RegExp(`^${WORD}`, 'u')

/** Joins a `single_word` token that stands inside a word to the text around it. */
function whereAlone(
  sections: readonly string[],
  added: ReadonlyMap<string, { readonly single_word: boolean }>,
): string[] {
  const out: string[] = []
  let inText = false
  for (const [i, section] of sections.entries()) {
    const token = added.get(section)
    const inside = ENDS_IN_WORD.test(sections[i - 1] ?? '') || BEGINS_WITH_WORD.test(sections[i + 1] ?? '')
    const isText = token === undefined || (token.single_word && inside)
    if (isText && inText) out[out.length - 1] += section
    else out.push(section)
    inText = isText
  }
  return out
}

/** U+FEFF in the bytes of a text is a character of it. */
function keepByteOrderMarks(decoder: LibraryDecoder): void {
  if (decoder.text_decoder) decoder.text_decoder = new TextDecoder('utf-8', { ignoreBOM: true })
  for (const step of decoder.decoders ?? []) keepByteOrderMarks(step)
}
