import { adapter, goldenSuite } from '@filature/goldens'
import { adapters } from '../goldens/adapter.ts'
import { compareGenerateCase } from '../goldens/generate-case.ts'
import { TinyLlama } from '../goldens/tiny-llama.ts'

/** The decoding runs of the reference's LLaMA, on a model of plain numbers: what is held up here is decoding alone. */
const decoding = adapter({
  cases: /^llama.*_generate$/,
  run: async (golden) => {
    await compareGenerateCase(golden, new TinyLlama(golden))
    golden.ignore(/rotary_emb\.inv_freq$/, 'the model of plain numbers computes its frequencies')
  },
})

await goldenSuite([...adapters, decoding], new URL('./__fixtures__/', import.meta.url), { backends: ['cpu'] })
