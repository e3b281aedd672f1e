import { ConfigError } from '@filature/tensor'
import { cachedDownload } from '#platform'
import type { ByteSource } from './byte-source.ts'
import { type HttpOptions, httpSource } from './sources/http.ts'

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

/** Opens a file behind a plain URL. */
export async function openUrl(url: string | URL, options: UrlOptions = {}): Promise<ByteSource> {
  const { cache = false, sha256, offline, onProgress, ...http } = options
  if (cache === false) {
    const idle = Object.entries({ sha256, offline, onProgress }).find(([, value]) => value !== undefined)
    if (idle) throw new ConfigError('url-option', `openUrl: the option ${idle[0]} needs \`cache\`.`)
    return await httpSource(url, http)
  }
  if (sha256 !== undefined && !/^[0-9a-f]{64}$/i.test(sha256)) {
    throw new ConfigError('url-option', 'openUrl: sha256 must be 64 hexadecimal digits.')
  }
  return await cachedDownload(String(url), options)
}
