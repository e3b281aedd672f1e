/** What a tokenizer refuses: `code` is stable, the message says who, wanted, got, what to do. */
export class TokenizerError extends Error {
  readonly code: string

  constructor(code: string, message: string, options?: ErrorOptions) {
    super(message, options)
    this.name = 'TokenizerError'
    this.code = code
  }
}
