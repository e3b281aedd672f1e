import { chromiumPath, openPage } from '@filature/testing'
import { expect, it } from 'vitest'
import { LocalHub } from './__fixtures__/local-hub.ts'
import { bytesOf } from './encode.ts'
import { encodeSafetensors } from './safetensors/writer.ts'

// Budget: 1 minute. Wants a Chromium on the PATH, or its path in CHROMIUM.

it.skipIf(!chromiumPath)(
  'reads files, ranges and the hub in a browser',
  async () => {
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

    await using page = await openPage(new URL('./__fixtures__/browser-page.ts', import.meta.url))
    const seen = await page.run(hub.endpoint)
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
  },
  120_000,
)
