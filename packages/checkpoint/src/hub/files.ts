import type { HttpOptions } from '../sources/http.ts'
import type { DownloadProgress } from '../url-options.ts'
import type { ModelFiles } from '../weights.ts'

/** The files of one revision of a repository. */
export interface HubFiles extends ModelFiles {
  /** The commit, once a file has been asked for. */
  readonly commit: string | undefined
}

export interface HubOptions extends HttpOptions {
  /** The cache's folder (in browsers, the name of the Cache Storage); by default the one Hugging Face's libraries use. */
  readonly cacheDir?: string
  /** Use what is in the cache, ask nobody. */
  readonly offline?: boolean
  /** Called as a file comes in. */
  readonly onProgress?: (progress: DownloadProgress) => void
}
