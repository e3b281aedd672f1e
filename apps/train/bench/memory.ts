// Trains a small model for many steps and prints live tensors, live bytes and resident memory as it goes, as JSON lines.
// node --conditions=@filature/source --import tsx bench/memory.ts BACKEND STEPS

import { activate } from '@filature/command-line'
import { liveMemory, Rng } from '@filature/tensor'
import { Trainer } from '@filature/train'
import { startChar } from '../src/char/recipe.ts'
import { configOf, shapeOf } from '../src/char/settings.ts'

const [backend = 'native,wasm', count = '10000'] = process.argv.slice(2)
const steps = Number(count)
const { name } = await activate({ backend })

const shape = { ...shapeOf('modern', name, {}), hidden: 32, embedding: 16, batch: 4, length: 16 }
const ids = Int32Array.from(new Rng(1).words(20_000), (word) => word % 20)
const config = configOf({ preset: 'modern', ...shape }, [...'abcdefghijklmnopqrst'])
const every = { evaluateEvery: steps, sampleEvery: steps, saveEvery: steps }
const run = { command: 'char' as const, preset: 'modern' as const, text: '', sha256: '', seed: 1, steps }
const recipe = startChar({ ...run, ...shape, ...every }, config, ids)

const mark = Math.max(1, Math.floor(steps / 20))
const trainer = new Trainer({
  ...recipe,
  rng: new Rng(2),
  reporters: [
    {
      step(step) {
        if (step % mark !== 0) return
        ;(globalThis as { gc?: () => void }).gc?.()
        const { rss, heapUsed } = process.memoryUsage()
        console.log(JSON.stringify({ backend: name, step, ...liveMemory(), rss, heapUsed }))
      },
    },
  ],
})
await trainer.run({ steps })
process.exit()
