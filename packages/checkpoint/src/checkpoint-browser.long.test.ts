import { existsSync } from 'node:fs'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { delimiter, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { build } from 'esbuild'
import { chromium } from 'playwright-core'
import { expect, it } from 'vitest'
import { LocalHub } from './__fixtures__/local-hub.ts'
import { bytesOf } from './encode.ts'
import { encodeSafetensors } from './safetensors/writer.ts'

// Budget: 1 minute. Wants a Chromium on the PATH, or its path in CHROMIUM.

const names = ['chromium', 'chromium-browser', 'google-chrome']
const places = (process.env.PATH ?? '').split(delimiter).flatMap((folder) => names.map((name) => join(folder, name)))
const executablePath = [process.env.CHROMIUM, ...places].find((path) => path !== undefined && existsSync(path))

it.skipIf(!executablePath)(
  'reads files, ranges and the hub in a browser',
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

    await using hub = await new LocalHub().start()
    const values = Float32Array.from({ length: 50_000 }, (_, i) => i + 1)
    const weights = await encodeSafetensors([
      { name: 'w', dtype: 'F32', shape: [50_000], bytes: () => bytesOf(values, 'F32', 'w') },
    ])
    hub.large.add('model.safetensors')
    hub.add('org/tiny', 'a'.repeat(40), {
      'config.json': '{"model_type":"tiny"}',
      'model.safetensors': weights,
      'plain.safetensors': weights,
    })

    const browser = await chromium.launch({ executablePath: executablePath!, args: ['--no-sandbox'] })
    try {
      const page = await browser.newPage()
      await page.goto(`http://127.0.0.1:${(server.address() as AddressInfo).port}/`)
      const seen = await page.evaluate(
        // biome-ignore lint/suspicious/noExplicitAny: the page put it there
        (endpoint) => (globalThis as any).run(endpoint),
        hub.endpoint,
      )
      expect(seen).toEqual({
        loaded: ['weight', 'bias'],
        name: 'linear.safetensors',
        config: { model_type: 'tiny' },
        first: 1,
        again: 50_000,
        last: 50_000,
        missing: 'none',
        progress: 1,
        noFile: 'no-file-system',
      })
    } finally {
      await browser.close()
      server.close()
    }
  },
  120_000,
)
