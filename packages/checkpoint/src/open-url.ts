import { CheckpointError, ConfigError } from '@filature/tensor'
import { cachedDownload } from '#platform'
import type { ByteSource } from './byte-source.ts'
import type { FilesBeside } from './gguf/open.ts'
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

/** The files in the same folder as a URL's, opened as it is; a query stays. */
export function besideUrl(url: string, { sha256, ...options }: UrlOptions): FilesBeside {
  const { pathname } = new URL(url)
  const cut = pathname.lastIndexOf('/') + 1
  return {
    file: pathname.slice(cut),
    async open(file) {
      if (sha256 !== undefined) {
        throw new ConfigError('url-option', `openUrl: sha256 is that of one file, but ${url} is a model in parts.`)
      }
      const other = new URL(url)
      other.pathname = pathname.slice(0, cut) + file
      try {
        return await openUrl(other, options)
      } catch (error) {
        if (error instanceof CheckpointError && absent.has(error.code)) return undefined
        throw error
      }
    },
  }
}

const absent: ReadonlySet<string> = new Set(['http-not-found', 'offline-missing'])
