import {
  BackendError,
  ConfigError,
  keep,
  narrow,
  type Rng,
  reshape,
  type Tensor,
  type Tensor1D,
  tensor,
  tidy,
} from '@filature/tensor'
import type { CharModel, CharState } from './char-model.ts'

export interface GenerateOptions {
  /** Ids to read first, at least one. */
  readonly prompt: ArrayLike<number>
  /** Characters to write. */
  readonly length: number
  /** 1 draws from the model's own distribution, less is bolder in its habits, 0 always takes the likeliest. */
  readonly temperature?: number
  readonly rng: Rng
  /** Where the model stands before the prompt; zeros when left out. Stays the caller's. */
  readonly state?: CharState | undefined
}

/** Writes on from a prompt, one id at a time, each drawn from softmax(logits / temperature). */
export async function* generateIds(model: CharModel, options: GenerateOptions): AsyncGenerator<number> {
  const { prompt, length, temperature = 1, rng } = options
  if (prompt.length === 0) {
    throw new ConfigError('generate-prompt', 'generateIds: wanted a prompt of at least one character.')
  }
  if (!(Number.isInteger(length) && length >= 0)) {
    throw new ConfigError('generate-length', `generateIds: wanted a length as a whole number from 0, got ${length}.`)
  }
  const beyond = Array.from(prompt).find((id) => !(Number.isInteger(id) && id >= 0 && id < model.vocabularySize))
  if (beyond !== undefined) {
    throw new ConfigError(
      'generate-prompt',
      `generateIds: wanted ids from 0 to ${model.vocabularySize - 1}, got ${beyond}; encode the prompt with the model's vocabulary.`,
    )
  }
  if (!(temperature >= 0)) {
    throw new ConfigError(
      'generate-temperature',
      `generateIds: wanted a temperature of at least 0, got ${temperature}.`,
    )
  }
  let state = options.state
  let own: CharState | undefined
  let ids = Int32Array.from(prompt)
  try {
    for (let n = 0; n < length; n++) {
      const next = tidy(() => {
        const read = model.read(tensor(ids, [ids.length, 1], 'int32'), state)
        const T = ids.length
        return {
          logits: keep(reshape(narrow(read.logits, 0, T - 1, T), [model.vocabularySize]) as Tensor1D),
          state: mapState(read.state, keep),
        }
      })
      free(own)
      own = next.state
      state = own
      const logits = await next.logits.data()
      next.logits.dispose()
      const id = draw(logits, temperature, rng)
      ids = Int32Array.of(id)
      yield id
    }
  } finally {
    free(own)
  }
}

const mapState = (state: CharState, fn: (x: Tensor) => Tensor): CharState =>
  Object.fromEntries(Object.entries(state).map(([name, x]) => [name, fn(x)]))

function free(state: CharState | undefined): void {
  for (const x of Object.values(state ?? {})) x.dispose()
}

/** One id from softmax(logits / temperature); the first of the greatest at temperature 0. */
function draw(logits: ArrayLike<number>, temperature: number, rng: Rng): number {
  let best = 0
  for (let i = 0; i < logits.length; i++) {
    if (Number.isNaN(logits[i])) {
      throw new BackendError(
        'scores-not-finite',
        'generateIds: the scores of the next character hold NaN; check the weights.',
      )
    }
    if (logits[i]! > logits[best]!) best = i
  }
  if (temperature === 0) return best
  const weights = Float64Array.from(logits, (x) => Math.exp((x - logits[best]!) / temperature))
  let place = rng.next() * weights.reduce((a, w) => a + w, 0)
  for (let i = 0; i < weights.length; i++) {
    place -= weights[i]!
    if (place < 0) return i
  }
  return best
}
