import type { KernelConfig } from '@tensorflow/tfjs-core'
import type { WasmEngine } from '../engine/backend.ts'
import { type Inputs, kernel, sizeOf, type TensorInfo } from './kernel.ts'

type RotaryAttrs = { interleaved: boolean; inverse: boolean }

function turn(engine: WasmEngine, x: TensorInfo, { cos, sin }: Inputs, interleaved: boolean, inverse: boolean) {
  const [B, T, H, D] = x.shape as [number, number, number, number]
  const y = engine.empty(x.shape)
  const { run, context } = engine.kernels
  run.rotary!(
    ...[context, engine.at(x), engine.at(cos), engine.at(sin), engine.at(y), B, T, H, D, cos!.shape.at(-1)!],
    ...[cos!.shape.length === 3, interleaved, inverse].map(Number),
  )
  return y
}

/** The angles are constants: whoever asks for their gradient gets zeros. */
function rotaryGrad(engine: WasmEngine, inputs: Inputs, attrs: RotaryAttrs & { needs: string[] }): TensorInfo[] {
  return attrs.needs.map((name) =>
    name === 'x'
      ? turn(engine, inputs.d_y!, inputs, attrs.interleaved, !attrs.inverse)
      : engine.zeros(inputs[name]!.shape),
  )
}

type Draw = { rate: number; key: [number, number]; counter: [number, number] }

function drop(engine: WasmEngine, x: TensorInfo, { rate, key, counter }: Draw): TensorInfo[] {
  const y = engine.empty(x.shape)
  const threshold = Math.min(Math.floor(rate * 2 ** 32), 2 ** 32 - 1)
  const kept = rate < 1 ? 1 / (1 - rate) : 0
  const { run, context } = engine.kernels
  run.dropout!(context, engine.at(x), engine.at(y), sizeOf(x.shape), ...key, ...counter, threshold, kept)
  return [y]
}

export const positions: KernelConfig[] = [
  kernel('FilatureRotary', (engine, inputs, { interleaved, inverse }: RotaryAttrs) => [
    turn(engine, inputs.x!, inputs, interleaved, inverse),
  ]),
  kernel('FilatureRotaryGrad', rotaryGrad),
  kernel('FilatureDropout', (engine, { x }, draw: Draw) => drop(engine, x!, draw)),
  kernel('FilatureDropoutGrad', (engine, { d_y }, draw: Draw) => drop(engine, d_y!, draw)),
]
