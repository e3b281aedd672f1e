/** What became of each tensor of a case: fed in, compared, or ignored with a reason. A tensor left over fails the case. */
export class Ledger {
  readonly #names: readonly string[]
  readonly #used = new Set<string>()
  readonly #ignored = new Map<string, string>()

  constructor(names: readonly string[]) {
    this.#names = names
  }

  use(fullName: string): void {
    this.#used.add(fullName)
  }

  /** Marks the names that match; a name that is also used counts as used. */
  ignore(pattern: RegExp | string, reason: string): void {
    if (!reason.trim()) throw new Error(`ignore(${pattern}): give the reason.`)
    for (const name of this.#names) {
      if (typeof pattern === 'string' ? name === pattern : pattern.test(name)) this.#ignored.set(name, reason)
    }
  }

  isIgnored(fullName: string): boolean {
    return this.#ignored.has(fullName)
  }

  get leftOver(): string[] {
    return this.#names.filter((name) => !this.#used.has(name) && !this.#ignored.has(name))
  }

  /** Ignored names that nothing used either, with their reasons. */
  get ignored(): [name: string, reason: string][] {
    return [...this.#ignored].filter(([name]) => !this.#used.has(name))
  }
}
