import { CheckpointError } from '@filature/tensor'
import { cachedDownload } from '../url-cache.ts'
import type { HubFiles, HubOptions } from './files.ts'
import { checkFileName, headersOf, type Repository, urlOf } from './repository.ts'

/** The files of a repository through the browser's Cache Storage, by their URLs. */
export function hubFiles(repository: Repository, { cacheDir, ...options }: HubOptions): HubFiles {
  return {
    name: repository.id,
    commit: /^[0-9a-f]{40}$/.test(repository.revision) ? repository.revision : undefined,
    async open(file) {
      checkFileName(file)
      const headers = { ...options.headers, ...headersOf(repository) }
      try {
        return await cachedDownload(urlOf(repository, file), { ...options, headers, cache: cacheDir ?? true })
      } catch (error) {
        const absent = error instanceof CheckpointError && ['http-not-found', 'offline-missing'].includes(error.code)
        if (absent) return undefined
        throw error
      }
    },
  }
}
