import type { HttpOptions } from './sources/http.ts'

export interface DownloadProgress {
  readonly file: string
  /** Bytes on disk so far, and in all. */
  readonly done: number
  readonly total: number
}

export interface UrlOptions extends HttpOptions {
  /**
   * Download the file once and keep it: in a folder of this name, or with `true` in the usual one (in browsers, in the
   * Cache Storage). An interrupted download goes on where it stopped. Without a cache, ranges are read as needed.
   */
  readonly cache?: boolean | string
  /** With `cache`: the file's SHA-256 in hexadecimal; another file is refused. */
  readonly sha256?: string
  /** With `cache`: use what is there, ask nobody. */
  readonly offline?: boolean
  /** With `cache`. */
  readonly onProgress?: (progress: DownloadProgress) => void
}
