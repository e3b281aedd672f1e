import { flagOf } from '@filature/command-line'
import type { CharConfig } from '@filature/recurrent'
import { ConfigError } from '@filature/tensor'
import type { RunSettings } from '../run/train.ts'

export type Preset = 'modern' | 'classic'

/** The network, and how it is trained. */
export interface CharShape {
  readonly hidden: number
  readonly embedding: number
  readonly layers: number
  /** Between layers. */
  readonly dropout: number
  /** Parallel streams, and characters of each in a step. */
  readonly batch: number
  readonly length: number
  readonly lr: number
  /** Part of the text, at its end, that is not trained on. */
  readonly heldOut: number
}

export interface CharSettings extends RunSettings, CharShape {
  readonly command: 'char'
  readonly preset: Preset
  readonly text: string
  /** SHA-256 of the text. */
  readonly sha256: string
  /** Steps between samples; with each test when left out. */
  readonly sampleEvery?: number
}

// min-char-rnn (A. Karpathy 2015) has no embedding: characters enter one-hot.
const classic: CharShape = {
  hidden: 100,
  embedding: 0,
  layers: 1,
  dropout: 0,
  batch: 1,
  length: 25,
  lr: 0.1,
  heldOut: 0,
}

/** The size that learns most in a minute on two cores, by backend; more minutes can feed a larger one. */
const modern = (backend: string): CharShape => {
  const common = { embedding: 64, layers: 1, dropout: 0, batch: 16, length: 64, lr: 0.02, heldOut: 0.03 }
  if (backend === 'cpu') return { ...common, hidden: 64, embedding: 32, batch: 4, length: 32 }
  return { ...common, hidden: backend === 'native' ? 256 : 128 }
}

/** What the classic preset has no use for. */
const foreign: readonly (keyof CharShape)[] = ['embedding', 'layers', 'dropout', 'batch']

/** What each setting is when nothing is said, for the help. */
export const usualInWords = Object.fromEntries(
  (Object.keys(classic) as (keyof CharShape)[]).map((key) => {
    const [native, wasm, cpu] = ['native', 'wasm', 'cpu'].map((backend) => modern(backend)[key])
    const words = [`${native}`]
    if (wasm !== native) words.push(`on wasm ${wasm}`)
    if (cpu !== native) words.push(`on cpu ${cpu}`)
    if (classic[key] !== native && !foreign.includes(key)) words.push(`classic ${classic[key]}`)
    return [key, words.join(', ')]
  }),
) as Record<keyof CharShape, string>

/** The preset's shape with what the command line says otherwise. */
export function shapeOf(preset: Preset, backend: string, given: Partial<CharShape>): CharShape {
  if (preset === 'classic') {
    const useless = foreign.find((key) => given[key] !== undefined)
    if (useless) {
      throw new ConfigError('classic-option', `${flagOf(useless)}: the classic preset has none; take --preset modern.`)
    }
  }
  const usual = preset === 'classic' ? classic : modern(backend)
  const said = Object.entries(given).filter(([key, value]) => key in usual && value !== undefined)
  const shape: CharShape = { ...usual, ...Object.fromEntries(said) }
  if (given.dropout && shape.layers === 1) {
    throw new ConfigError('char-dropout', '--dropout: it is between layers, and there is one; take --layers 2 or more.')
  }
  return shape
}

export function configOf(settings: CharShape & { preset: Preset }, vocabulary: readonly string[]): CharConfig {
  const { preset, hidden, embedding, layers, dropout } = settings
  if (preset === 'classic') return { model_type: 'char_rnn', vocabulary, hidden_size: hidden }
  return {
    model_type: 'char_lstm',
    vocabulary,
    hidden_size: hidden,
    embedding_size: embedding,
    num_layers: layers,
    dropout,
  }
}
