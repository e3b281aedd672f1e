import { execFileSync } from 'node:child_process'
import { existsSync, mkdirSync, readdirSync, readFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'

const cache = fileURLToPath(new URL('../../.cache/silero', import.meta.url))
const MODEL = 'package/dist/silero_vad_v5.onnx'
const SPEECH = 'speech/usr/share/sounds/alsa'

/** What of onnxruntime-node the test calls. */
export interface Onnxruntime {
  readonly InferenceSession: {
    create(
      model: Uint8Array,
      options: object,
    ): Promise<{ run(feeds: object): Promise<Record<string, { data: Float32Array }>> }>
  }
  readonly Tensor: new (type: string, data: unknown, dims: readonly number[]) => object
}

export interface SileroFiles {
  readonly model: Uint8Array
  readonly onnxruntime: Onnxruntime
  /** WAV files of spoken words, Front_Center first. */
  readonly speech: readonly Uint8Array[]
}

/**
 * Silero VAD v5 (Silero Team, MIT) out of npm's @ricky0123/vad-web, onnxruntime-node to hold against, and the speech of
 * Debian's alsa-utils, into .cache; a text that says why where they cannot be had.
 */
export function sileroFiles(): SileroFiles | string {
  const run = (program: string, args: string[]) =>
    execFileSync(program, args, { cwd: cache, stdio: ['ignore', 'ignore', 'pipe'], timeout: 600_000 })
  try {
    mkdirSync(cache, { recursive: true })
    if (!existsSync(join(cache, MODEL))) {
      run('npm', ['pack', '@ricky0123/vad-web@0.0.31'])
      run('tar', ['xzf', 'ricky0123-vad-web-0.0.31.tgz'])
    }
    if (!existsSync(join(cache, 'node_modules/onnxruntime-node'))) {
      run('npm', ['install', '--ignore-scripts', '--no-save', '--prefix', '.', 'onnxruntime-node@1.22.0'])
    }
    if (!existsSync(join(cache, SPEECH))) {
      run('apt-get', ['download', 'alsa-utils'])
      run('dpkg-deb', ['-x', readdirSync(cache).find((name) => name.startsWith('alsa-utils'))!, 'speech'])
    }
    const names = readdirSync(join(cache, SPEECH))
      .filter((name) => /^(Front|Rear|Side)_.*\.wav$/.test(name))
      .sort()
    return {
      model: readFileSync(join(cache, MODEL)),
      onnxruntime: createRequire(join(cache, 'from-here.js'))('onnxruntime-node') as Onnxruntime,
      speech: names.map((name) => readFileSync(join(cache, SPEECH, name))),
    }
  } catch (error) {
    return (error as Error).message.split('\n')[0]!
  }
}

/** Samples within -1 and 1 of a 16-bit mono file at 48 kHz, three averaged into one: 16 kHz. */
export function speechAt16k(wav: Uint8Array): Float32Array {
  const view = new DataView(wav.buffer, wav.byteOffset, wav.byteLength)
  const [channels, rate, bits] = [view.getUint16(22, true), view.getUint32(24, true), view.getUint16(34, true)]
  if (channels !== 1 || rate !== 48_000 || bits !== 16)
    throw new Error(`speech of ${channels} channels, ${rate} Hz, ${bits} bits`)
  let at = 12
  while (view.getUint32(at, false) !== 0x64617461) at += 8 + view.getUint32(at + 4, true) // 'data'
  const count = Math.floor(view.getUint32(at + 4, true) / 6)
  const sample = (i: number) => view.getInt16(at + 8 + 2 * i, true) / 32768
  return Float32Array.from({ length: count }, (_, i) => (sample(3 * i) + sample(3 * i + 1) + sample(3 * i + 2)) / 3)
}
