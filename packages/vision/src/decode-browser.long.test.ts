import { readdirSync, readFileSync } from 'node:fs'
import { chromiumPath, openPage } from '@filature/testing'
import { expect, it } from 'vitest'
import type { Seen } from './__fixtures__/browser-page.ts'
import { resize } from './index.ts'

// Budget: 1 minute. Wants a Chromium on the PATH, or its path in CHROMIUM.

const folder = new URL('./__fixtures__/decoded/', import.meta.url)

it.skipIf(!chromiumPath)(
  'decodes in a browser what Pillow decodes, and resizes it to the same bytes',
  async () => {
    await using page = await openPage(new URL('./__fixtures__/browser-page.ts', import.meta.url))
    for (const file of readdirSync(folder).filter((name) => !name.endsWith('.rgb'))) {
      const pixels = readFileSync(new URL(file.replace(/\.\w+$/, '.rgb'), folder))
      const seen = await page.run<Seen>(readFileSync(new URL(file, folder)).toString('base64'))
      expect(seen.data, file).toEqual(Array.from(pixels))
      const { width, height } = seen
      const small = resize({ width, height, channels: 3, data: Uint8Array.from(pixels) }, [14, 20])
      expect(seen.resized, file).toEqual(Array.from(small.data))
    }
  },
  120_000,
)
