import { ConfigError } from '@filature/tensor'
import { quote, refuse } from '../refuse.ts'
import { type HttpOptions, refuseStatus, request } from '../sources/http.ts'

/** A revision of a model on the hub. */
export interface Repository {
  readonly endpoint: string
  /** `org/name`, or the `name` of the oldest models. */
  readonly id: string
  /** Branch, tag, pull request or commit. */
  readonly revision: string
  readonly token?: string | undefined
}

export const defaultEndpoint = 'https://huggingface.co'

export function checkRepository({ id, revision, endpoint }: Repository): void {
  if (!/^[\w.-]{1,96}(?:\/[\w.-]{1,96})?$/.test(id) || /(?:^|\/)[.-]|\.\.|--|[.-](?:\/|$)/.test(id)) {
    throw new ConfigError('hub-id', `openPretrained: ${quote(id)} is neither a folder nor a hub id like 'org/name'.`)
  }
  if (!/^[\w.-]+(?:\/[\w.-]+)*$/.test(revision) || revision.split('/').some((part) => /^\.+$/.test(part))) {
    throw new ConfigError('hub-revision', `openPretrained: ${quote(revision)} is not a revision.`)
  }
  if (!/^https?:\/\/[^?#]+$/.test(endpoint)) {
    throw new ConfigError('hub-endpoint', `openPretrained: the endpoint ${quote(endpoint)} is not an http(s) URL.`)
  }
}

/** Refuses a file name that leads out of its folder. */
export function checkFileName(file: string, who = 'openPretrained'): void {
  // biome-ignore lint/suspicious/noControlCharactersInRegex: control characters are what is looked for
  if (file.split('/').some((part) => part === '' || /^\.+$/.test(part)) || /[\\:\u0000-\u001f]/.test(file)) {
    throw new ConfigError('hub-file-name', `${who}: ${quote(file)} is not the name of a file in a folder.`)
  }
}

export function urlOf({ endpoint, id, revision }: Repository, file: string): string {
  const path = file.split('/').map(encodeURIComponent).join('/')
  return `${endpoint.replace(/\/+$/, '')}/${id}/resolve/${encodeURIComponent(revision)}/${path}`
}

export const headersOf = ({ token }: Repository): Record<string, string> =>
  token === undefined ? {} : { authorization: `Bearer ${token}` }

/** What the hub says of a file without sending it. */
export interface FileFacts {
  readonly commit: string
  /** Its name among the blobs: the SHA-256 of a large file, git's SHA-1 of a small one. */
  readonly etag: string
  readonly size: number
  readonly sha256?: string
  readonly gitSha1?: string
}

/**
 * Asks for a file's commit, hash and size. Redirects within the hub are followed; the one to the storage of large files
 * is not, since the answer before it has what is wanted. Undefined if the revision has no such file.
 */
export async function askFacts(
  repository: Repository,
  file: string,
  options: HttpOptions,
): Promise<FileFacts | { readonly absent: true; readonly commit: string | undefined }> {
  let url = urlOf(repository, file)
  for (let hops = 0; ; hops++) {
    const init: RequestInit = { method: 'HEAD', headers: { ...headersOf(repository) }, redirect: 'manual' }
    const answer = await request(url, init, options)
    const location = answer.headers.get('location')
    const facts = (answer.ok || location !== null) && answer.headers.has('x-repo-commit')
    if (location !== null && !facts) {
      const next = new URL(location, url)
      if (hops >= 5 || next.origin !== new URL(url).origin)
        refuse('hub-redirect', url, `it leads on to ${next.origin}.`)
      url = next.href
      continue
    }
    if (facts) return factsIn(answer.headers, url)
    const absent = answer.status === 404 && answer.headers.get('x-error-code') === 'EntryNotFound'
    if (absent) return { absent, commit: answer.headers.get('x-repo-commit') ?? undefined }
    return await refuseHub(url, answer)
  }
}

function factsIn(headers: Headers, url: string): FileFacts {
  const commit = headers.get('x-repo-commit') ?? ''
  const etag = (headers.get('x-linked-etag') ?? headers.get('etag') ?? '').replace(/^W\//, '').replace(/^"|"$/g, '')
  const size = Number(headers.get('x-linked-size') ?? headers.get('content-length') ?? Number.NaN)
  // They become names of files: nothing but hexadecimal digits may stand in them.
  if (!/^[0-9a-f]{40,64}$/.test(commit)) refuse('hub-answer', url, `the hub names the commit ${quote(commit)}.`)
  if (!/^(?:[0-9a-f]{40}|[0-9a-f]{64})$/.test(etag)) refuse('hub-answer', url, `the hub names the hash ${quote(etag)}.`)
  if (!Number.isSafeInteger(size)) refuse('hub-answer', url, 'the hub does not say how large the file is.')
  return { commit, etag, size, ...(etag.length === 64 ? { sha256: etag } : { gitSha1: etag }) }
}

async function refuseHub(url: string, answer: Response): Promise<never> {
  const error = answer.headers.get('x-error-code')
  const told: Record<string, [string, string]> = {
    RepoNotFound: ['hub-no-repository', 'there is no such repository, or it is private and wants a token.'],
    RevisionNotFound: ['hub-no-revision', 'the repository has no such revision.'],
    GatedRepo: ['hub-gated', 'the repository is gated: accept its terms on its page, then give a token.'],
  }
  const known = error === null ? undefined : told[error]
  if (!known) await refuseStatus(url, answer)
  const [code, message] = known!
  refuse(code, url, message)
}
