// Budget: three minutes. A page bundled by vite from the packages' builds, opened in Chromium: threaded wasm and webgpu
// come up, pass their self-tests and give the gradients that Node gives. Wanted: /usr/bin/chromium (Debian's package).
import { execFileSync } from 'node:child_process'
import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { createServer, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { extname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { cpu, useBackend } from '@filature/tensor'
import { type Browser, chromium, type Page } from 'playwright-core'
import { build } from 'vite'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import type { PageResult } from './testing/page/page.ts'
import { lossAndGradients } from './testing/page/work.ts'

const CHROMIUM = process.env.CHROMIUM ?? '/usr/bin/chromium'
const FLAGS = [
  '--headless=new',
  '--no-sandbox',
  '--enable-unsafe-webgpu',
  '--disable-quic',
  '--no-first-run',
  '--no-default-browser-check',
  '--disable-background-networking',
  '--disable-component-update',
  '--disable-sync',
  '--disable-dev-shm-usage',
]
const TYPES: Record<string, string> = {
  '.html': 'text/html',
  '.js': 'text/javascript',
  '.wasm': 'application/wasm',
}

const at = (path: string) => fileURLToPath(new URL(path, import.meta.url))
const there = existsSync(CHROMIUM)
if (!there) {
  if (/webgpu|wasm/.test(process.env.REQUIRE_BACKENDS ?? '')) throw new Error(`no browser at ${CHROMIUM}`)
  console.warn(`browser tests are skipped: there is no ${CHROMIUM}`)
}

/** A static server under cross-origin isolation, without which a page has no threads. */
function serve(folder: string): Promise<Server> {
  const server = createServer((request, response) => {
    response.setHeader('Cross-Origin-Opener-Policy', 'same-origin')
    response.setHeader('Cross-Origin-Embedder-Policy', 'require-corp')
    const { pathname } = new URL(request.url ?? '/', 'http://page')
    const file = join(folder, pathname === '/' ? 'index.html' : pathname)
    if (!existsSync(file)) return response.writeHead(404).end()
    response.setHeader('Content-Type', TYPES[extname(file)] ?? 'application/octet-stream')
    response.end(readFileSync(file))
  })
  return new Promise((resolve) => server.listen(0, '127.0.0.1', () => resolve(server)))
}

describe.skipIf(!there)('in Chromium', () => {
  let folder: string
  let server: Server
  let browser: Browser
  let page: Page
  let wanted: number[][]

  beforeAll(async () => {
    for (const name of ['tensor', 'backend-wasm', 'backend-webgpu']) {
      execFileSync('pnpm', ['run', 'build'], { cwd: at(`../../${name}`), stdio: 'pipe' })
    }
    folder = mkdtempSync(join(tmpdir(), 'page-'))
    await build({
      root: at('./testing/page'),
      configFile: false,
      logLevel: 'error',
      build: { outDir: folder, emptyOutDir: true, target: 'es2022', minify: true },
    })
    server = await serve(folder)
    browser = await chromium.launch({
      executablePath: CHROMIUM,
      args: FLAGS,
      ignoreDefaultArgs: ['--disable-gpu'],
    })
    page = await browser.newPage()
    page.on('console', (message) => {
      if (message.type() === 'error') console.warn(`page: ${message.text()}`)
    })
    await page.goto(`http://127.0.0.1:${(server.address() as AddressInfo).port}/`)
    await useBackend(cpu())
    wanted = await lossAndGradients()
  }, 180_000)

  afterAll(async () => {
    await browser?.close()
    server?.close()
    if (folder) rmSync(folder, { recursive: true })
  })

  for (const name of ['wasm', 'webgpu'] as const) {
    test(`${name} passes its self-test and gives the gradients of Node`, { timeout: 120_000 }, async () => {
      const run = (backend: typeof name) =>
        (globalThis as unknown as { run(b: typeof name): Promise<PageResult> }).run(backend)
      const { report, results, error, isolated } = await page.evaluate(run, name)
      expect(error).toBeUndefined()
      expect(isolated).toBe(true)
      expect(report?.name).toBe(name)
      expect(report?.selfTest.failed).toEqual([])
      if (name === 'wasm') {
        expect(report?.threads).toBe(2)
        expect(report?.features).toEqual(expect.arrayContaining(['simd128', 'relaxed-simd', 'threads']))
      }
      results!.forEach((got, i) => {
        const scale = Math.max(...wanted[i]!.map(Math.abs))
        const worst = Math.max(...got.map((v, j) => Math.abs(v - wanted[i]![j]!)))
        expect(got.length).toBe(wanted[i]!.length)
        expect(worst / scale, `result ${i}`).toBeLessThan(5e-5)
      })
    })
  }
})
