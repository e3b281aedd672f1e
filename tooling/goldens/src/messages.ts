import type { CaseResult } from './run-case.ts'

/** What a worker is asked to run. */
export interface ToWorker {
  readonly directory: string
  readonly backend: string
  readonly cases: readonly string[]
  /** Folder of packages to look for adapters in; the project's own when left out. */
  readonly packages?: string | undefined
  /** The one package whose adapters are wanted. */
  readonly only?: string
}

/** What a worker answers. */
export type FromWorker =
  | { readonly kind: 'unavailable'; readonly reason: string }
  | { readonly kind: 'adapters'; readonly broken: readonly { readonly package: string; readonly error: string }[] }
  | { readonly kind: 'result'; readonly result: CaseResult }
  | { readonly kind: 'no-adapter'; readonly case: string }
  | { readonly kind: 'crash'; readonly error: string }
