import { ShapeError } from '@filature/tensor'
import { backend_util, type KernelConfig, slice_util, util } from '@tensorflow/tfjs-core'
import type { WasmEngine } from '../engine/backend.ts'
import { type Inputs, kernel, sizeOf, type TensorInfo } from './kernel.ts'

/** Rows of `n` four-byte elements; places and strides in elements. */
function copyRows(
  engine: WasmEngine,
  from: [TensorInfo, at: number, stride: number],
  to: [TensorInfo, at: number, stride: number],
  rows: number,
  n: number,
): void {
  if (rows === 0 || n === 0) return
  const { run, context } = engine.kernels
  run.copy_rows!(context, engine.at(from[0]) + 4 * from[1], engine.at(to[0]) + 4 * to[1], rows, n, from[2], to[2])
}

type SplitAttrs = { numOrSizeSplits: number | number[]; axis: number }

function splitV(engine: WasmEngine, { x }: Inputs, attrs: SplitAttrs): TensorInfo[] {
  const axis = util.parseAxisParam(attrs.axis, x!.shape)[0]!
  const sizes = backend_util.prepareSplitSize(x as never, attrs.numOrSizeSplits, axis)
  const rows = sizeOf(x!.shape.slice(0, axis))
  const inner = sizeOf(x!.shape.slice(axis + 1))
  const stride = x!.shape[axis]! * inner
  let from = 0
  return sizes.map((size) => {
    const out = engine.empty(x!.shape.with(axis, size), x!.dtype)
    copyRows(engine, [x!, from, stride], [out, 0, size * inner], rows, size * inner)
    from += size * inner
    return out
  })
}

function concat(engine: WasmEngine, inputs: Inputs, attrs: { axis: number }): TensorInfo {
  const parts = Object.values(inputs) as TensorInfo[]
  const axis = util.parseAxisParam(attrs.axis, parts[0]!.shape)[0]!
  const shape = backend_util.computeOutShape(
    parts.map((part) => part.shape),
    axis,
  )
  const out = engine.empty(shape, parts[0]!.dtype)
  const rows = sizeOf(shape.slice(0, axis))
  const stride = sizeOf(shape.slice(axis))
  let to = 0
  for (const part of parts) {
    const n = sizeOf(part.shape.slice(axis))
    copyRows(engine, [part, 0, n], [out, to, stride], rows, n)
    to += n
  }
  return out
}

type SliceAttrs = { begin: number | number[]; size: number | number[] }

function slice(engine: WasmEngine, { x }: Inputs, attrs: SliceAttrs): TensorInfo {
  const [begin, size] = slice_util.parseSliceParams(x as never, attrs.begin, attrs.size)
  slice_util.assertParamsValid(x as never, begin!, size!)
  const out = engine.empty(size!, x!.dtype)
  const rank = size!.length
  // trailing whole axes are one run of elements
  let last = rank - 1
  while (last > 0 && size![last] === x!.shape[last]) last--
  const inner = sizeOf(x!.shape.slice(last + 1))
  const n = (size![last] ?? 1) * inner
  const stride = (x!.shape[last] ?? 1) * inner
  const first = (begin![last] ?? 0) * inner
  // the axis before is a run of rows; those further out are walked
  const outer = size!.slice(0, Math.max(last - 1, 0))
  const rows = last > 0 ? size![last - 1]! : 1
  for (let i = 0; i < sizeOf(outer); i++) {
    let from = 0
    let rest = i
    let step = last > 0 ? x!.shape[last - 1]! : 1
    if (last > 0) from += begin![last - 1]!
    for (let axis = outer.length - 1; axis >= 0; axis--) {
      from += (begin![axis]! + (rest % outer[axis]!)) * step
      rest = Math.floor(rest / outer[axis]!)
      step *= x!.shape[axis]!
    }
    copyRows(engine, [x!, from * stride + first, stride], [out, i * rows * n, n], rows, n)
  }
  return out
}

function unpack(engine: WasmEngine, { value }: Inputs, attrs: { axis: number }): TensorInfo[] {
  const { shape, dtype } = value!
  const axis = util.parseAxisParam(attrs.axis, shape)[0]!
  const rows = sizeOf(shape.slice(0, axis))
  const inner = sizeOf(shape.slice(axis + 1))
  return Array.from({ length: shape[axis]! }, (_, i) => {
    const out = engine.empty([...shape.slice(0, axis), ...shape.slice(axis + 1)], dtype)
    copyRows(engine, [value!, i * inner, shape[axis]! * inner], [out, 0, inner], rows, inner)
    return out
  })
}

function tile(engine: WasmEngine, { x }: Inputs, { reps }: { reps: number[] }): TensorInfo {
  let now = engine.view(x!, x!.shape)
  for (let axis = reps.length - 1; axis >= 0; axis--) {
    const times = reps[axis]!
    if (times === 1) continue
    const next = engine.empty(now.shape.with(axis, now.shape[axis]! * times), x!.dtype)
    const rows = sizeOf(now.shape.slice(0, axis))
    const n = sizeOf(now.shape.slice(axis))
    for (let i = 0; i < times; i++) copyRows(engine, [now, 0, n], [next, i * n, n * times], rows, n)
    engine.disposeData(now.dataId)
    now = next
  }
  return now
}

function reverse(engine: WasmEngine, { x }: Inputs, { dims }: { dims: number | number[] }): TensorInfo {
  const { run, context } = engine.kernels
  let now = engine.view(x!, x!.shape)
  for (const axis of util.parseAxisParam(dims, x!.shape)) {
    const next = engine.empty(x!.shape, x!.dtype)
    const [outer, inner] = [sizeOf(x!.shape.slice(0, axis)), sizeOf(x!.shape.slice(axis + 1))]
    run.reverse!(context, engine.at(now), engine.at(next), outer, x!.shape[axis]!, inner)
    engine.disposeData(now.dataId)
    now = next
  }
  return now
}

/** Writes x (1, T, ...) into the rows from `length` of room (1, capacity, ...); the rows so far, in the room's memory. */
function appendRows(engine: WasmEngine, { room, x }: Inputs, { length }: { length: number }): TensorInfo {
  const [, capacity, ...rest] = room!.shape as [number, number, ...number[]]
  const [, T] = x!.shape as [number, number]
  if (length + T > capacity) {
    throw new ShapeError('append-rows', `appendRows: ${length} rows and ${T} more do not fit a room of ${capacity}.`)
  }
  const n = sizeOf(rest)
  copyRows(engine, [x!, 0, T * n], [room!, length * n, 0], 1, T * n)
  return engine.within(room!, [1, length + T, ...rest])
}

/** A second handle on the same data: tfjs' own copies it. */
function identity(engine: WasmEngine, { x }: Inputs): TensorInfo {
  return engine.view(x!, x!.shape)
}

export const moves: KernelConfig[] = [
  kernel('SplitV', splitV),
  kernel('Concat', concat),
  kernel('Slice', slice),
  kernel('FilatureAppendRows', appendRows),
  kernel('Identity', identity),
  kernel('Unpack', unpack),
  kernel('Tile', tile),
  kernel('Reverse', reverse),
]
