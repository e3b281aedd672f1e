import { backend_util, type KernelConfig } from '@tensorflow/tfjs-core'
import type { WasmEngine } from '../engine/backend.ts'
import { type Inputs, kernel, type TensorInfo } from './kernel.ts'

type Pad = 'valid' | 'same' | number
interface ConvAttrs {
  strides: [number, number] | number
  pad: Pad
  dataFormat: 'NHWC' | 'NCHW'
  dilations?: [number, number] | number
  dimRoundingMode?: 'floor' | 'round' | 'ceil'
  inputShape: [number, number, number, number]
  filterShape: [number, number, number, number]
}
type Info = backend_util.Conv2DInfo

function infoOf(xShape: number[], filterShape: number[], attrs: ConvAttrs): Info {
  const info = backend_util.computeConv2DInfo(
    ...([xShape, filterShape, attrs.strides, attrs.dilations ?? 1, attrs.pad, attrs.dimRoundingMode] as never as [
      [number, number, number, number],
      [number, number, number, number],
      number,
      number,
      Pad,
      'floor',
    ]),
    false,
    backend_util.convertConv2DDataFormat(attrs.dataFormat),
  )
  if (info.dataFormat !== 'channelsLast') throw new Error('wasm: convolutions take NHWC; transpose the input first')
  return info
}

/** The words of Window in kernels/conv.c. */
function windowWords(info: Info): number[] {
  return [
    ...[info.inHeight, info.inWidth, info.inChannels, info.filterHeight, info.filterWidth],
    ...[info.outHeight, info.outWidth, info.strideHeight, info.strideWidth],
    ...[info.dilationHeight, info.dilationWidth, info.padInfo.top, info.padInfo.left],
  ]
}

/** For each image: its patches (OH OW, KH KW C) at `patches`, and where x and y (OH, OW, O) of it lie. */
function eachImage(
  engine: WasmEngine,
  info: Info,
  x: TensorInfo,
  y: TensorInfo,
  run: (image: { x: number; y: number; patches: number; window: number }, n: number) => void,
): void {
  const depth = info.filterHeight * info.filterWidth * info.inChannels
  const places = info.outHeight * info.outWidth
  const patches = engine.allocate(4 * depth * places)
  const window = engine.kernels.write(windowWords(info))
  for (let n = 0; n < info.batchSize; n++) {
    const atX = engine.at(x) + 4 * n * info.inHeight * info.inWidth * info.inChannels
    run({ x: atX, y: engine.at(y) + 4 * n * places * info.outChannels, patches, window }, n)
  }
  engine.free(patches)
}

/** d_filter (KH KW C, O) = sum over images of patches^T dy */
function backpropFilter(engine: WasmEngine, { x, dy }: Inputs, attrs: ConvAttrs): TensorInfo {
  const info = infoOf(x!.shape, attrs.filterShape, attrs)
  const out = engine.zeros(info.filterShape)
  const depth = info.filterHeight * info.filterWidth * info.inChannels
  const { run, context } = engine.kernels
  eachImage(engine, info, x!, dy!, (image) => {
    run.patches!(context, image.x, image.patches, image.window)
    const [M, N, K] = [depth, info.outChannels, info.outHeight * info.outWidth]
    run.matmul!(context, image.patches, image.y, engine.at(out), M, N, K, 1, 0, 0, TRANSPOSE_A | ADD, 0, 0, 0)
  })
  return out
}

/** d_x: patches of gradients dy filter^T, put back at their places */
function backpropInput(engine: WasmEngine, { dy, filter }: Inputs, attrs: ConvAttrs): TensorInfo {
  const info = infoOf(attrs.inputShape, filter!.shape, attrs)
  const out = engine.empty(info.inShape)
  const depth = info.filterHeight * info.filterWidth * info.inChannels
  const { run, context } = engine.kernels
  eachImage(engine, info, out, dy!, (image) => {
    const [M, N, K] = [info.outHeight * info.outWidth, depth, info.outChannels]
    run.matmul!(context, image.y, engine.at(filter), image.patches, M, N, K, 1, 0, 0, TRANSPOSE_B, 0, 0, 0)
    run.unpatch!(context, image.patches, image.x, image.window)
  })
  return out
}

/** y = patches filter */
function forward(engine: WasmEngine, { x, filter }: Inputs, attrs: ConvAttrs): TensorInfo {
  const info = infoOf(x!.shape, filter!.shape, attrs)
  const out = engine.empty(info.outShape)
  const depth = info.filterHeight * info.filterWidth * info.inChannels
  const { run, context } = engine.kernels
  eachImage(engine, info, x!, out, (image) => {
    run.patches!(context, image.x, image.patches, image.window)
    const [M, N, K] = [info.outHeight * info.outWidth, info.outChannels, depth]
    run.matmul!(context, image.patches, engine.at(filter), image.y, M, N, K, 1, 0, 0, 0, 0, 0, 0)
  })
  return out
}

const TRANSPOSE_A = 1
const TRANSPOSE_B = 2
const ADD = 4

export const convolutions: KernelConfig[] = [
  kernel('Conv2D', forward),
  kernel('Conv2DBackpropFilter', backpropFilter),
  kernel('Conv2DBackpropInput', backpropInput),
]
