import type { KernelConfig } from '@tensorflow/tfjs-core'
import type { WasmEngine } from '../engine/backend.ts'
import { type Inputs, kernel, sizeOf, type TensorInfo } from './kernel.ts'

const NO_PADDING = -1

function embedding(engine: WasmEngine, { weight, ids }: Inputs): TensorInfo[] {
  const [V, C] = weight!.shape as [number, number]
  const y = engine.empty([...ids!.shape, C])
  const { run, context } = engine.kernels
  run.embedding!(context, engine.at(weight), engine.at(ids), engine.at(y), sizeOf(ids!.shape), C, V)
  return [y]
}

type GradAttrs = { paddingIdx: number | null; needs: string[] }

function embeddingGrad(engine: WasmEngine, { weight, ids, d_y }: Inputs, { paddingIdx, needs }: GradAttrs) {
  return needs.map((name) => {
    if (name !== 'weight') return engine.zeros(ids!.shape, 'int32')
    return scatterAdd(engine, d_y!, ids!, weight!.shape, paddingIdx ?? NO_PADDING)
  })
}

function scatterAdd(engine: WasmEngine, x: TensorInfo, ids: TensorInfo, shape: number[], padding: number): TensorInfo {
  const sums = engine.zeros(shape)
  const { run, context } = engine.kernels
  const C = sizeOf(shape.slice(1))
  run.scatter_add!(context, engine.at(x), engine.at(ids), engine.at(sums), sizeOf(ids.shape), C, shape[0]!, padding)
  return sums
}

/** The gradient of a gather: rows of x summed by their segment; ids outside are left out. */
function unsortedSegmentSum(engine: WasmEngine, { x, segmentIds }: Inputs, { numSegments }: { numSegments: number }) {
  return scatterAdd(engine, x!, segmentIds!, [numSegments, ...x!.shape.slice(1)], NO_PADDING)
}

type LossAttrs = { ignoreIndex: number; labelSmoothing: number; reduction: 'none' | 'mean' | 'sum' }

function crossEntropy(engine: WasmEngine, { logits, labels }: Inputs, attrs: LossAttrs): TensorInfo[] {
  const [N, V] = logits!.shape as [number, number]
  const [loss, lse] = [engine.empty([N]), engine.empty([N])]
  const { run, context } = engine.kernels
  run.cross_entropy!(
    ...[context, engine.at(logits), engine.at(labels), engine.at(loss), engine.at(lse)],
    ...[N, V, attrs.ignoreIndex, attrs.labelSmoothing],
  )
  if (attrs.reduction === 'none') return [loss, lse]
  const total = engine.empty([])
  let sum = 0
  for (const row of engine.floats(loss)) sum += row
  engine.floats(total)[0] = sum * shareOf(engine, labels!, attrs)
  engine.disposeData(loss.dataId)
  return [total, lse]
}

/** What each row's loss counts for: 1, or one over the number of labels that are not ignored. */
function shareOf(engine: WasmEngine, labels: TensorInfo, { reduction, ignoreIndex }: LossAttrs): number {
  if (reduction === 'sum') return 1
  let kept = 0
  for (const label of engine.ints(labels)) if (label !== ignoreIndex) kept++
  return 1 / kept
}

function crossEntropyGrad(engine: WasmEngine, inputs: Inputs, attrs: LossAttrs & { needs: string[] }): TensorInfo[] {
  const { logits, labels, lse, d_loss } = inputs
  const [N, V] = logits!.shape as [number, number]
  const reduced = attrs.reduction !== 'none'
  const rows = reduced ? engine.empty([N]) : d_loss!
  if (reduced) engine.floats(rows).fill(engine.floats(d_loss!)[0]! * shareOf(engine, labels!, attrs))
  const grads = attrs.needs.map((name) => {
    if (name !== 'logits') return engine.zeros([N], 'int32')
    const grad = engine.empty([N, V])
    const { run, context } = engine.kernels
    run.cross_entropy_gradient!(
      ...[context, engine.at(logits), engine.at(labels), engine.at(lse), engine.at(rows), engine.at(grad)],
      ...[N, V, attrs.ignoreIndex, attrs.labelSmoothing],
    )
    return grad
  })
  if (reduced) engine.disposeData(rows.dataId)
  return grads
}

export const softmax = kernel('Softmax', (engine, { logits }: Inputs) => {
  const out = engine.empty(logits!.shape)
  const n = logits!.shape.at(-1)!
  engine.kernels.run.softmax!(engine.kernels.context, engine.at(logits), engine.at(out), sizeOf(out.shape) / n, n)
  return out
})

export const lookups: KernelConfig[] = [
  kernel('FilatureEmbedding', embedding),
  kernel('FilatureEmbeddingGrad', embeddingGrad),
  kernel('UnsortedSegmentSum', unsortedSegmentSum),
  kernel('FilatureSoftmaxCrossEntropy', crossEntropy),
  kernel('FilatureSoftmaxCrossEntropyGrad', crossEntropyGrad),
  softmax,
]
