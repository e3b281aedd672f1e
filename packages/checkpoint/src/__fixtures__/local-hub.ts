import { createHash } from 'node:crypto'
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'

export interface HubRequest {
  readonly method: string
  readonly path: string
  readonly range: string | undefined
  readonly authorization: string | undefined
}

/**
 * A hub on 127.0.0.1 with the endpoints that loaders use: `/<id>/resolve/<revision>/<file>`; small files are sent with
 * git's SHA-1 as their ETag, large ones redirect to a second server (the storage), their SHA-256 in X-Linked-Etag.
 */
export class LocalHub implements AsyncDisposable {
  /** By id, by commit, by name. */
  readonly repositories = new Map<string, Map<string, Map<string, Uint8Array>>>()
  /** Branches by id: name to commit. */
  readonly branches = new Map<string, Map<string, string>>()
  readonly requests: HubRequest[] = []
  /** Names of files that lie in the storage. */
  readonly large = new Set<string>()
  /** Breaks the connection after so many bytes of a body, so many times: when the client says that it has them. */
  breakAfter = 0
  breaks = 0
  readonly #toBreak: { readonly at: number; readonly answer: ServerResponse }[] = []
  /** Answers of the storage ignore ranges. */
  noRanges = false
  /** Sends other bytes than the hash says. */
  corrupt = false
  /** Wants this token. */
  token: string | undefined
  /** Moves a repository: old id to new. */
  readonly moved = new Map<string, string>()
  /** Replaces headers of the hub's answers. */
  headers: Record<string, string> = {}
  readonly #hub = createServer((q, a) => this.#answer(q, a))
  readonly #storage = createServer((q, a) => this.#answerStorage(q, a))

  async start(): Promise<this> {
    for (const server of [this.#hub, this.#storage]) {
      await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
    }
    return this
  }

  get endpoint(): string {
    return `http://127.0.0.1:${(this.#hub.address() as AddressInfo).port}`
  }

  get storage(): string {
    return `http://127.0.0.1:${(this.#storage.address() as AddressInfo).port}`
  }

  add(id: string, commit: string, files: Record<string, Uint8Array | string>): void {
    const commits = this.repositories.get(id) ?? new Map()
    const bytes = Object.entries(files).map(([name, f]): [string, Uint8Array] => [
      name,
      typeof f === 'string' ? new TextEncoder().encode(f) : f,
    ])
    this.repositories.set(id, commits.set(commit, new Map(bytes)))
    this.branches.set(id, (this.branches.get(id) ?? new Map()).set('main', commit))
  }

  /** Told of the client's progress: a connection that broke sooner would take along what the client has not read yet. */
  received(done: number): void {
    while (this.#toBreak[0] && this.#toBreak[0].at <= done) this.#toBreak.shift()!.answer.destroy()
  }

  #note(request: IncomingMessage, answer: ServerResponse, server: string): void {
    // As the hub does for pages of other origins.
    answer.setHeader('access-control-allow-origin', '*')
    answer.setHeader('access-control-expose-headers', '*')
    this.requests.push({
      method: request.method!,
      path: `${server}${request.url}`,
      range: request.headers.range,
      authorization: request.headers.authorization,
    })
  }

  #answer(request: IncomingMessage, answer: ServerResponse): void {
    this.#note(request, answer, '')
    const fail = (status: number, code: string) => answer.writeHead(status, { 'x-error-code': code }).end()
    const match = /^\/(.+?)\/resolve\/([^/]+)\/(.+)$/.exec(request.url!)
    if (!match) return void fail(404, 'RepoNotFound')
    const [id, revision, name] = match.slice(1).map(decodeURIComponent) as [string, string, string]
    const to = this.moved.get(id)
    if (to) {
      return void answer.writeHead(307, { location: request.url!.replace(id, to) }).end()
    }
    if (this.token !== undefined && request.headers.authorization !== `Bearer ${this.token}`) {
      return void fail(401, 'GatedRepo')
    }
    const commits = this.repositories.get(id)
    if (!commits) return void fail(404, 'RepoNotFound')
    const commit = this.branches.get(id)?.get(revision) ?? revision
    const files = commits.get(commit)
    if (!files) return void fail(404, 'RevisionNotFound')
    const bytes = files.get(name)
    if (!bytes) {
      return void answer.writeHead(404, { 'x-error-code': 'EntryNotFound', 'x-repo-commit': commit }).end()
    }
    if (this.large.has(name)) {
      const sha256 = createHash('sha256').update(bytes).digest('hex')
      const head = {
        'x-repo-commit': commit,
        'x-linked-etag': `"${sha256}"`,
        'x-linked-size': String(bytes.length),
        etag: '"of the redirect"',
        location: `${this.storage}/${encodeURIComponent(id)}/${commit}/${name}`,
        ...this.headers,
      }
      return void answer.writeHead(302, head).end()
    }
    const etag = createHash('sha1').update(`blob ${bytes.length}\0`).update(bytes).digest('hex')
    this.#send(request, answer, bytes, { 'x-repo-commit': commit, etag: `"${etag}"`, ...this.headers })
  }

  #answerStorage(request: IncomingMessage, answer: ServerResponse): void {
    this.#note(request, answer, 'storage:')
    const [id, commit, name] = request.url!.slice(1).split('/').map(decodeURIComponent) as [string, string, string]
    const bytes = this.repositories.get(id)!.get(commit)!.get(name)!
    this.#send(request, answer, this.corrupt ? bytes.map((b) => b ^ 1) : bytes, { etag: '"of the storage"' })
  }

  #send(request: IncomingMessage, answer: ServerResponse, bytes: Uint8Array, headers: Record<string, string>): void {
    const range = this.noRanges ? null : /^bytes=(\d+)-(\d*)$/.exec(request.headers.range ?? '')
    const start = range ? Number(range[1]) : 0
    const end = range?.[2] ? Math.min(Number(range[2]) + 1, bytes.length) : bytes.length
    if (start >= bytes.length && range) {
      return void answer.writeHead(416, { ...headers, 'content-range': `bytes */${bytes.length}` }).end()
    }
    const body = bytes.subarray(start, end)
    const partial = range ? { 'content-range': `bytes ${start}-${end - 1}/${bytes.length}` } : {}
    answer.writeHead(range ? 206 : 200, { ...headers, ...partial, 'content-length': String(body.length) })
    if (request.method === 'HEAD') return void answer.end()
    if (this.breaks > 0 && body.length > this.breakAfter) {
      this.breaks--
      answer.write(body.subarray(0, this.breakAfter))
      this.#toBreak.push({ at: start + this.breakAfter, answer })
    } else answer.end(body)
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const server of [this.#hub, this.#storage]) {
      server.closeAllConnections()
      await new Promise((resolve) => server.close(resolve))
    }
  }
}
