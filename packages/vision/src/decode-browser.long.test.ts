import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { delimiter, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { build } from 'esbuild'
import { chromium } from 'playwright-core'
import { expect, it } from 'vitest'
import type { Seen } from './__fixtures__/browser-page.ts'
import { resize } from './index.ts'

// Budget: 1 minute. Wants a Chromium on the PATH, or its path in CHROMIUM.

const names = ['chromium', 'chromium-browser', 'google-chrome']
const places = (process.env.PATH ?? '').split(delimiter).flatMap((folder) => names.map((name) => join(folder, name)))
const executablePath = [process.env.CHROMIUM, ...places].find((path) => path !== undefined && existsSync(path))
const folder = new URL('./__fixtures__/decoded/', import.meta.url)

it.skipIf(!executablePath)(
  'decodes in a browser what Pillow decodes, and resizes it to the same bytes',
  async () => {
    const bundle = await build({
      entryPoints: [fileURLToPath(new URL('./__fixtures__/browser-page.ts', import.meta.url))],
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
    const browser = await chromium.launch({ executablePath: executablePath!, args: ['--no-sandbox'] })
    try {
      const page = await browser.newPage()
      await page.goto(`http://127.0.0.1:${(server.address() as AddressInfo).port}/`)
      for (const file of readdirSync(folder).filter((name) => !name.endsWith('.rgb'))) {
        const bytes = readFileSync(new URL(file, folder))
        const pixels = readFileSync(new URL(file.replace(/\.\w+$/, '.rgb'), folder))
        const seen = (await page.evaluate(
          // biome-ignore lint/suspicious/noExplicitAny: the page put it there
          (file) => (globalThis as any).run(file),
          bytes.toString('base64'),
        )) as Seen
        expect(seen.data, file).toEqual(Array.from(pixels))
        const { width, height } = seen
        const small = resize({ width, height, channels: 3, data: Uint8Array.from(pixels) }, [14, 20])
        expect(seen.resized, file).toEqual(Array.from(small.data))
      }
    } finally {
      await browser.close()
      server.close()
    }
  },
  120_000,
)
