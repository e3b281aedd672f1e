import { existsSync } from 'node:fs'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { delimiter, join } from 'node:path'
import { fileURLToPath } from 'node:url'

const names = ['chromium', 'chromium-browser', 'google-chrome']
const places = (process.env.PATH ?? '').split(delimiter).flatMap((folder) => names.map((name) => join(folder, name)))

/** A Chromium on the PATH, or the one that CHROMIUM names. */
export const chromiumPath = [process.env.CHROMIUM, ...places].find((path) => path !== undefined && existsSync(path))

export interface BrowserPage extends AsyncDisposable {
  /** What the page's global `run` gives for an argument; both are copied between the processes. */
  run<T>(argument: unknown): Promise<T>
}

/** A module, bundled with the packages' sources, in a page of a local server, open in Chromium. */
export async function openPage(module: URL): Promise<BrowserPage> {
  const [{ build }, { chromium }] = await Promise.all([import('esbuild'), import('playwright-core')])
  const bundle = await build({
    entryPoints: [fileURLToPath(module)],
    bundle: true,
    write: false,
    format: 'iife',
    platform: 'browser',
    conditions: ['@filature/source', 'browser'],
  })
  const script = bundle.outputFiles[0]!.text
  const server = createServer((request, answer) => {
    const isScript = request.url === '/page.js'
    answer.setHeader('content-type', isScript ? 'text/javascript' : 'text/html')
    answer.end(isScript ? script : '<!doctype html><script src="/page.js"></script>')
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const browser = await chromium.launch({ executablePath: chromiumPath!, args: ['--no-sandbox'] })
  const page = await browser.newPage()
  await page.goto(`http://127.0.0.1:${(server.address() as AddressInfo).port}/`)
  return {
    // biome-ignore lint/suspicious/noExplicitAny: the page put it there
    run: (argument) => page.evaluate((it) => (globalThis as any).run(it), argument),
    async [Symbol.asyncDispose]() {
      await browser.close()
      server.close()
    },
  }
}
