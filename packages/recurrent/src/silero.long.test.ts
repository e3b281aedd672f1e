// A trained network nobody here made, on real speech: Silero VAD v5 (Silero Team, MIT) out of npm's @ricky0123/vad-web
// against onnxruntime, on the spoken words of Debian's alsa-utils. Fetches what it needs once (260 MB, mostly
// onnxruntime). Budget: 1 minute, and the fetching.
import {
  add,
  conv1d,
  dispose,
  linear,
  mean,
  narrow,
  pow,
  relu,
  sigmoid,
  sqrt,
  squeeze,
  type Tensor2D,
  type Tensor3D,
  tensor,
  tidy,
  transpose,
} from '@filature/tensor'
import {
  debianFiles,
  fetchedOr,
  forEachBackend,
  npmFiles,
  onnxConstants,
  onnxruntime,
  worstOf,
  worstRatio,
} from '@filature/testing'
import { expect, it } from 'vitest'
import { LSTM } from './index.ts'

const STEP = 512
const CONTEXT = 64
const H = 128

const MODEL = 'dist/silero_vad_v5.onnx'
const SPEECH = {
  'Front_Center.wav': '0d61518bcd3f13b0c709a5298e939caf698b80d31d71d50475365ee0e5536cc9',
  'Front_Left.wav': '9f97e8458785da2f0aa0ec60bf9cc81520cbf80a4683e83eca9cb5f2958e9fef',
  'Front_Right.wav': '1fdea4d7003f1f7d3e48d3521aaab0a112c4ac570b02ddf1813abacac3070f6f',
  'Rear_Center.wav': '9343207e3298813fdc4d26b7948e15a38533c37a9f232c3eff809b565398b330',
  'Rear_Left.wav': '1679e0557701864d55b742a0abd3fe5f50d95b1bfcb55ffad4b597dcc7e3c7b8',
  'Rear_Right.wav': '12828d125f692faa75c7445d52125dcc2c36f82c4f7a3ef49b8ae6afd74ada9d',
  'Side_Left.wav': '03dc7c641d7825417d2a261831715e945e95d87343fb037db910e7ce4f87a2a1',
  'Side_Right.wav': 'ecdd0329945f355960796a56f8126d5080ed93fdd2437c7eaddbbbd56137d7e9',
}

const files = fetchedOr(() => {
  const sounds = Object.entries(SPEECH).map(([name, hash]) => [`usr/share/sounds/alsa/${name}`, hash] as const)
  const speech = debianFiles('alsa-utils', Object.fromEntries(sounds))
  return {
    model: npmFiles('@ricky0123/vad-web', '0.0.31', {
      [MODEL]: '2623a2953f6ff3d2c1e61740c6cdb7168133479b267dfef114a4a3cc5bdd788f',
    })[MODEL]!,
    speech: sounds.map(([path]) => speech[path]!),
    onnxruntime: onnxruntime(),
  }
})

/** Samples within -1 and 1 of a 16-bit mono file at 48 kHz, three averaged into one: 16 kHz. */
function speechAt16k(wav: Uint8Array): Float32Array {
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

if (typeof files === 'string') it.skip(`Silero VAD cannot be fetched: ${files}`, () => {})
else {
  /** Each step reads 64 samples of the past and 512 new ones, (steps, 576). */
  const frames: Float32Array[] = []
  let past = new Float32Array(CONTEXT)
  for (const samples of files.speech.map(speechAt16k)) {
    for (let at = 0; at + STEP <= samples.length; at += STEP) {
      const frame = new Float32Array(CONTEXT + STEP)
      frame.set(past)
      frame.set(samples.subarray(at, at + STEP), CONTEXT)
      frames.push(frame)
      past = frame.slice(-CONTEXT)
    }
  }

  /** Probability of speech, and the states after each step, by onnxruntime. */
  const reference = async () => {
    const { InferenceSession, Tensor } = files.onnxruntime
    const session = await InferenceSession.create(files.model, { intraOpNumThreads: 1 })
    let state: Float32Array = new Float32Array(2 * H)
    const out: { probability: number; state: Float32Array }[] = []
    for (const frame of frames) {
      const result = await session.run({
        input: new Tensor('float32', frame, [1, frame.length]),
        state: new Tensor('float32', state, [2, 1, H]),
        sr: new Tensor('int64', BigInt64Array.from([16_000n]), []),
      })
      state = Float32Array.from(result.stateN!.data)
      out.push({ probability: result.output!.data[0]!, state })
    }
    return out
  }

  /** Reflects 64 samples behind the end. */
  const reflected = (frame: Float32Array) =>
    Float32Array.from({ length: frame.length + 64 }, (_, i) => frame[i < frame.length ? i : 2 * frame.length - 2 - i]!)

  await forEachBackend(() => {
    it('the LSTM of Silero VAD v5 follows onnxruntime over real speech', async () => {
      // the branch for 16 kHz
      const weights = new Map(
        [...onnxConstants(files.model)].flatMap(([name, value]) => {
          const [, own] = name.split('If_0_then_branch__Inline_0__')
          return own === undefined ? [] : [[own, value] as const]
        }),
      )
      const weight = <T>(name: string) => tensor(weights.get(name)!.values, weights.get(name)!.shape as [number]) as T
      const lstm = new LSTM(H, H)
      for (const part of ['weight_ih', 'weight_hh', 'bias_ih', 'bias_hh'] as const) {
        ;(lstm as never as Record<string, { assign(x: unknown): void }>)[`${part}_l0`]!.assign(
          weight(`decoder.rnn.${part}`),
        )
      }
      const wanted = await reference()
      expect(wanted.length).toBeGreaterThanOrEqual(100)
      // it is speech, and pauses between it
      const probabilities = wanted.map(({ probability }) => probability)
      expect(Math.max(...probabilities)).toBeGreaterThan(0.9)
      expect(Math.min(...probabilities)).toBeLessThan(0.1)

      const steps = tidy(() => {
        const x = tensor(
          frames.flatMap((frame) => [...reflected(frame)]),
          [frames.length, 1, 640],
        )
        const spectrum = conv1d(x, weight('stft.forward_basis_buffer'), undefined, { stride: 128 }) // (N, 258, 4)
        const power = add(pow(narrow(spectrum, 1, 0, 129), 2), pow(narrow(spectrum, 1, 129), 2))
        const features = [1, 2, 2, 1].reduce((y: Tensor3D, stride, i) => {
          const name = `encoder.${i}.reparam_conv`
          return relu(conv1d(y, weight(`${name}.weight`), weight(`${name}.bias`), { stride, padding: 1 }))
        }, sqrt(power)) // (N, 128, 1)
        return transpose(features, [0, 2, 1])
      })
      // the probabilities from all steps at once, the states by going on from step to step
      const probability = tidy(() => {
        const h = squeeze<Tensor2D>(lstm.forward(steps).out, [1]) // (N, 128)
        const head = squeeze<Tensor2D>(weight('decoder.decoder.2.weight'), [2])
        return mean(sigmoid(linear(relu(h), head, weight('decoder.decoder.2.bias'))), 1)
      })
      const said = await probability.data()
      const states: Float32Array[] = []
      let state: { h?: Tensor3D; c?: Tensor3D } = {}
      for (let t = 0; t < frames.length; t++) {
        const before = state
        state = tidy(() => {
          const { h, c } = lstm.forward(narrow(steps, 0, t, t + 1), before)
          return { h, c }
        })
        dispose(Object.values(before))
        states.push(Float32Array.from([...(await state.h!.data()), ...(await state.c!.data())]))
      }
      // every element by itself: states reach 111, so that their absolute errors are the greatest
      const close = (got: ArrayLike<number>, reference: ArrayLike<number>, what: string) => {
        const ratio = worstRatio(got, reference, { atol: 1e-5, rtol: 1e-5 })
        expect(ratio, what).toBeLessThanOrEqual(1)
        return { ratio, error: worstOf(got, reference).error }
      }
      const worst = (all: { ratio: number; error: number }[]) =>
        `${Math.max(...all.map(({ ratio }) => ratio)).toFixed(2)} of what is allowed ` +
        `(${Math.max(...all.map(({ error }) => error)).toExponential(1)})`
      const atStates = wanted.map(({ state }, t) => close(states[t]!, state, `state after step ${t}`))
      const atEnd = close(said, probabilities, 'probability of speech')
      console.log(`${frames.length} steps: states off by ${worst(atStates)}, probabilities by ${worst([atEnd])}`)
      lstm[Symbol.dispose]()
    })
  })
}
