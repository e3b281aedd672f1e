import { fileSource, kindOfPath } from '#platform'
import type { ModelFiles } from './weights.ts'

/** The files of a folder on disk. */
export function folderFiles(folder: string): ModelFiles {
  const start = folder.endsWith('/') || folder.endsWith('\\') ? folder : `${folder}/`
  return {
    name: folder,
    async open(file) {
      const path = folder === '.' ? file : start + file
      return (await kindOfPath(path)) === 'file' ? await fileSource(path) : undefined
    },
  }
}
