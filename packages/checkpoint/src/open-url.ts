import { ConfigError } from '@filature/tensor'
import { cachedDownload } from '#platform'
import type { ByteSource } from './byte-source.ts'
import { httpSource } from './sources/http.ts'
import type { UrlOptions } from './url-options.ts'

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
