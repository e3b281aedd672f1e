// A trained network nobody here made, on real speech: Silero VAD v5 against onnxruntime. Fetches what it needs once
// (260 MB, mostly onnxruntime). Budget: 1 minute, and the fetching.
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
import { forEachBackend, largest, worstOf } from '@filature/testing'
import { expect, it } from 'vitest'
import { LSTM } from './index.ts'
import { onnxConstants } from './testing/onnx-constants.ts'
import { sileroFiles, speechAt16k } from './testing/silero-files.ts'

const STEP = 512
const CONTEXT = 64
const H = 128

const files = sileroFiles()
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
      const close = (got: ArrayLike<number>, reference: ArrayLike<number>, what: string) => {
        const { error } = worstOf(got, reference)
        expect(error, what).toBeLessThanOrEqual(1e-5 + 1e-5 * largest(reference))
        return error
      }
      const errors = wanted.map(({ state }, t) => close(states[t]!, state, `state after step ${t}`))
      const last = close(said, probabilities, 'probability of speech')
      console.log(
        `${frames.length} steps, largest error of states ${Math.max(...errors).toExponential(1)}, of probabilities ${last.toExponential(1)}`,
      )
      lstm[Symbol.dispose]()
    })
  })
}
