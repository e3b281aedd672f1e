import { copyFile, mkdir, readFile, stat, symlink } from 'node:fs/promises'
import { homedir } from 'node:os'
import { dirname, join, relative } from 'node:path'
import { writeFileAtomic } from '../atomic-write.node.ts'
import { download } from '../download.node.ts'
import { refuse } from '../refuse.ts'
import { fileSource } from '../sources/file.node.ts'
import type { HubFiles, HubOptions } from './files.ts'
import { askFacts, checkFileName, headersOf, type Repository, urlOf } from './repository.ts'

/** Where Hugging Face's libraries keep their cache. */
function defaultCache(): string {
  const { HF_HUB_CACHE, HF_HOME, XDG_CACHE_HOME } = process.env
  return HF_HUB_CACHE || join(HF_HOME || join(XDG_CACHE_HOME || join(homedir(), '.cache'), 'huggingface'), 'hub')
}

/**
 * The files of a repository through the cache of Hugging Face's layout, shared with its libraries:
 * `models--org--name/refs/<revision>` holds the commit, `snapshots/<commit>/<file>` links to `blobs/<hash>`,
 * `.no_exist/<commit>/<file>` marks what is not there. What is cached for the commit is used without asking.
 */
export function hubFiles(repository: Repository, options: HubOptions): HubFiles {
  const folder = join(options.cacheDir ?? defaultCache(), `models--${repository.id.replace('/', '--')}`)
  const refPath = join(folder, 'refs', repository.revision)
  let commit: string | undefined

  async function offlineCommit(): Promise<string> {
    const ref = (await readFile(refPath, 'utf8').catch(() => undefined))?.trim()
    const found = ref ?? repository.revision
    if (/^[0-9a-f]{40,64}$/.test(found) && (await exists(join(folder, 'snapshots', found)))) return found
    refuse('offline-missing', repository.id, `revision ${repository.revision} is not in the cache ${folder}.`)
  }

  /** The file's place if its snapshot has it; undefined if that is marked as absent; null if it is not known. */
  async function cached(of: string, file: string): Promise<string | undefined | null> {
    const path = join(folder, 'snapshots', of, file)
    if (await exists(path)) return path
    return (await exists(join(folder, '.no_exist', of, file))) ? undefined : null
  }

  async function place(file: string): Promise<string | undefined> {
    if (options.offline) {
      commit ??= await offlineCommit()
      return (await cached(commit, file)) ?? undefined
    }
    const pinned = commit ?? (/^[0-9a-f]{40}$/.test(repository.revision) ? repository.revision : undefined)
    const known = pinned === undefined ? null : await cached(pinned, file)
    if (known !== null) {
      commit = pinned
      return known
    }
    // After the first file, every other comes from the same commit, whatever happens to the branch.
    const at = pinned === undefined ? repository : { ...repository, revision: pinned }
    const facts = await askFacts(at, file, options)
    if (facts.commit !== undefined) await pin(facts.commit)
    if ('absent' in facts) {
      if (commit !== undefined) await writeFileAtomic(join(folder, '.no_exist', commit, file), [])
      return undefined
    }
    const blob = join(folder, 'blobs', facts.etag)
    if (!(await exists(blob))) {
      const { headers, ...rest } = options
      const sent = { ...headers, ...headersOf(repository) }
      await download(urlOf({ ...at, revision: facts.commit }, file), blob, facts, {
        ...rest,
        headers: sent,
        onProgress: options.onProgress && ((p) => options.onProgress!({ ...p, file })),
      })
    }
    const path = join(folder, 'snapshots', facts.commit, file)
    await link(blob, path)
    return path
  }

  async function pin(to: string): Promise<void> {
    if (commit === to) return
    if (commit !== undefined)
      refuse('hub-answer', repository.id, `the hub answered for commit ${to}, asked for ${commit}.`)
    commit = to
    if (to !== repository.revision) await writeFileAtomic(refPath, [new TextEncoder().encode(to)])
  }

  return {
    name: repository.id,
    get commit() {
      return commit
    },
    async open(file) {
      checkFileName(file)
      const path = await place(file)
      return path === undefined ? undefined : await fileSource(path)
    },
  }
}

async function exists(path: string): Promise<boolean> {
  return (await stat(path).catch(() => undefined)) !== undefined
}

/** A relative link, so that the cache may be moved; a copy where links are not allowed (Windows). */
async function link(blob: string, path: string): Promise<void> {
  await mkdir(dirname(path), { recursive: true })
  try {
    await symlink(relative(dirname(path), blob), path)
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException
    if (code === 'EEXIST') return
    if (code !== 'EPERM' && code !== 'ENOSYS' && code !== 'EACCES') throw error
    await copyFile(blob, path)
  }
}
