// What only Node has: files, folders, a cache on disk, a streaming hash. Browsers get `platform.ts` instead.
export { writeFileAtomic } from './atomic-write.node.ts'
export { hubFiles } from './hub/cache.node.ts'
export { fileSource } from './sources/file.node.ts'
export { kindOfPath, readTextFile, removeFiles } from './text-files.node.ts'
export { cachedDownload } from './url-cache.node.ts'
