/** What MiniGPT-4 needs of a tokenizer; ids are plain, without special tokens. */
export interface TextCodec {
  encode(text: string): number[]
  decode(ids: readonly number[]): string
  /** Begins every sequence; its text, `bosToken`, begins later turns. */
  readonly bosId: number
  readonly bosToken: string
  readonly eosId: number
  /** Fills shorter rows; must not occur in text. */
  readonly padId: number
}

/** Where an image's tokens go in a prompt. */
export const IMAGE = '<ImageHere>'

/** A prompt template as the reference writes it: `{}` stands for the question. */
export const fillTemplate = (template: string, question: string): string =>
  template === '' ? question : template.replaceAll('{}', () => question)
