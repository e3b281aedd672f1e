import { ConfigError, keep, type Tensor2D, tensor, tidy } from '@filature/tensor'
import { type CharModel, type CharState, nextCharacterLoss } from './char-model.ts'

/**
 * How well a model foretells a text it has not seen, in bits per character: the text as `streams` parallel streams,
 * each read from its beginning, the state carried all the way.
 */
export async function bitsPerCharacter(
  model: CharModel,
  ids: Int32Array,
  { streams = 16, length = 128 }: { streams?: number; length?: number } = {},
): Promise<number> {
  for (const [key, value] of Object.entries({ streams, length })) {
    if (Number.isInteger(value) && value >= 1) continue
    throw new ConfigError(
      'evaluate-option',
      `bitsPerCharacter: wanted ${key} as a whole number of at least 1, got ${value}.`,
    )
  }
  const B = Math.max(1, Math.min(streams, Math.floor(ids.length / 2)))
  const each = Math.floor(ids.length / B)
  if (each < 2)
    throw new ConfigError('evaluate-text', `bitsPerCharacter: wanted at least 2 characters, got ${ids.length}.`)
  let state: CharState | undefined
  let nats = 0
  const free = () => {
    for (const x of Object.values(state ?? {})) x.dispose()
  }
  try {
    for (let from = 0; from < each - 1; from += length) {
      const T = Math.min(length, each - 1 - from)
      const next = tidy(() => {
        const inputs = columns(ids, { B, each, from, T })
        const targets = columns(ids, { B, each, from: from + 1, T })
        const read = nextCharacterLoss(model, { inputs, targets }, state, 'sum')
        return {
          loss: keep(read.loss),
          state: Object.fromEntries(Object.entries(read.state).map(([name, x]) => [name, keep(x)])),
        }
      })
      free()
      state = next.state
      nats += (await next.loss.data())[0]!
      next.loss.dispose()
    }
  } finally {
    free()
  }
  return nats / (B * (each - 1)) / Math.LN2
}

/** Characters from..from+T-1 of each stream, time first. (T, B) */
function columns(
  ids: Int32Array,
  { B, each, from, T }: { B: number; each: number; from: number; T: number },
): Tensor2D {
  const out = new Int32Array(T * B)
  for (let t = 0; t < T; t++) for (let b = 0; b < B; b++) out[t * B + b] = ids[b * each + from + t]!
  return tensor(out, [T, B], 'int32') as Tensor2D
}
