import { slice_util, type TensorInfo, util } from '@tensorflow/tfjs-core'
import type { NativeBackend } from '../backend.ts'
import { areFloats, type Kernel, type Kernels, output, sizeOf } from './kernel.ts'
import { type Axis, packWalk, stepsOf } from './walk.ts'

type Copy = { backend: NativeBackend; addon: NativeBackend['addon'] }

/** Four bytes a number: what the compiled moves take. */
const isWide = (x: TensorInfo) => x.dtype === 'float32' || x.dtype === 'int32'

/** tfjs casts bool to int32 by name alone: the values may still be bytes. */
const words = (values: ArrayLike<number>): Float32Array | Int32Array =>
  values instanceof Uint8Array ? Int32Array.from(values) : (values as Float32Array | Int32Array)

/** A result of the type of x, to be filled. */
function like(backend: NativeBackend, x: TensorInfo, shape: number[]) {
  const n = sizeOf(shape)
  const values = x.dtype === 'int32' ? backend.memoryPool.ints(n) : backend.memoryPool.floats(n)
  return { info: backend.makeTensorInfo(shape, x.dtype, values), values }
}
const wide = (backend: NativeBackend, x: TensorInfo) => words(backend.numbers(x))

/** The numbers of x from `offset` on, `steps` apart, in the order of `shape`. */
function copyOf({ backend, addon }: Copy, x: TensorInfo, shape: number[], steps: number[], offset: number) {
  const so = stepsOf(shape)
  const walk = packWalk(shape.map((size, i) => ({ size, a: steps[i]!, b: 0, out: so[i]! })))
  if (!walk) return undefined
  const { info, values } = like(backend, x, shape)
  const from = wide(backend, x)
  if (values.length) addon.copyWalk(walk, offset ? from.subarray(offset) : from, values)
  return info
}

/** A copy of part of x; tfjs' cpu kernels hand out the input's own array here, under a new name. */
function sliceOf(run: Copy, x: TensorInfo, begin: readonly number[], size: number[]): TensorInfo {
  const steps = stepsOf(x.shape)
  const offset = begin.reduce((sum, b, i) => sum + b * steps[i]!, 0)
  const fast = isWide(x) && size.every((d) => d > 0) ? copyOf(run, x, size, steps, offset) : undefined
  return fast ?? slowSlice(run.backend, x, begin, size)
}

function slowSlice(backend: NativeBackend, x: TensorInfo, begin: readonly number[], size: number[]): TensorInfo {
  const from = backend.data.get(x.dataId).values as unknown as ArrayLike<never> & { slice(a: number, b: number): never }
  const steps = stepsOf(x.shape)
  const n = sizeOf(size)
  const to = x.dtype === 'string' ? new Array(n) : util.getArrayFromDType(x.dtype as 'float32', n)
  const out = stepsOf(size)
  for (let i = 0; i < n; i++) {
    let at = 0
    let rest = i
    for (let axis = 0; axis < size.length; axis++) {
      const k = Math.floor(rest / out[axis]!)
      rest -= k * out[axis]!
      at += (begin[axis]! + k) * steps[axis]!
    }
    to[i] = from[at]!
  }
  if (x.dtype !== 'string') return backend.makeTensorInfo(size, x.dtype, to as Float32Array)
  return { dataId: backend.write(to as unknown as Uint8Array[], size, 'string'), shape: size, dtype: 'string' }
}

const concat: Kernel = (inputs, { axis }, { backend, addon, otherwise }) => {
  const all = Object.values(inputs) as TensorInfo[]
  const first = all[0]!
  const at = util.parseAxisParam(axis, first.shape)[0]!
  const parts = all.filter((x) => sizeOf(x.shape) > 0)
  if (parts.length < 2 || parts.some((x) => x.dtype !== first.dtype) || !isWide(first)) return otherwise()
  const shape: number[] = [...parts[0]!.shape]
  shape[at] = parts.reduce((sum, x) => sum + x.shape[at]!, 0)
  const fits = parts.every(
    (x) => x.shape.length === shape.length && x.shape.every((d, i) => i === at || d === shape[i]),
  )
  if (!fits) return otherwise()
  const { info, values } = like(backend, first, shape)
  const outer = sizeOf(shape.slice(0, at))
  const inner = sizeOf(shape.slice(at))
  let done = 0
  for (const x of parts) {
    const width = sizeOf(x.shape.slice(at))
    const walk = packWalk([
      { size: outer, a: width, b: 0, out: inner },
      { size: width, a: 1, b: 0, out: 1 },
    ])!
    addon.copyWalk(walk, wide(backend, x), done ? values.subarray(done) : values)
    done += width
  }
  return info
}

export const shape: Kernels = {
  Slice({ x }, { begin, size }, run) {
    const [from, count] = slice_util.parseSliceParams(x as never, begin, size) as [number[], number[]]
    slice_util.assertParamsValid(x as never, from, count)
    return sliceOf(run, x!, from, count)
  },

  SplitV({ x }, { numOrSizeSplits, axis }, run) {
    const at = util.parseAxisParam(axis, x!.shape)[0]!
    const total = x!.shape[at]!
    const rest = Array.isArray(numOrSizeSplits)
      ? total - numOrSizeSplits.reduce((sum: number, n: number) => sum + Math.max(n, 0), 0)
      : 0
    const sizes: number[] = Array.isArray(numOrSizeSplits)
      ? numOrSizeSplits.map((n: number) => (n < 0 ? rest : n))
      : new Array(numOrSizeSplits).fill(total / numOrSizeSplits)
    if (sizes.some((n) => !Number.isInteger(n) || n < 0) || sizes.reduce((a, b) => a + b, 0) !== total) {
      throw new RangeError(`SplitV: sizes ${sizes} do not add up to the axis of ${total}`)
    }
    const begin = x!.shape.map(() => 0)
    return sizes.map((n) => {
      const size = [...x!.shape]
      size[at] = n
      const part = sliceOf(run, x!, [...begin], size)
      begin[at]! += n
      return part
    })
  },

  Unpack({ value }, { axis }, run) {
    const at = axis < 0 ? axis + value!.shape.length : axis
    const size = [...value!.shape]
    size[at] = 1
    const begin = value!.shape.map(() => 0)
    return Array.from({ length: value!.shape[at]! }, (_, i) => {
      begin[at] = i
      const part = sliceOf(run, value!, [...begin], [...size])
      return { ...part, shape: value!.shape.filter((_, axis) => axis !== at) }
    })
  },

  StridedSlice({ x }, attrs, run) {
    const { begin, end, strides, beginMask, endMask, ellipsisMask, newAxisMask, shrinkAxisMask } = attrs
    const info = slice_util.sliceInfo(
      x!.shape,
      begin,
      end,
      strides,
      beginMask,
      endMask,
      ellipsisMask,
      newAxisMask,
      shrinkAxisMask,
    )
    // the simple ones are plain slices, copied; the others write a fresh array already
    if (info.isIdentity) {
      const all = sliceOf(
        run,
        x!,
        x!.shape.map(() => 0),
        [...x!.shape],
      )
      return reshaped(all, info.finalShape)
    }
    if (info.sliceDim0 || info.isSimpleSlice) {
      const size = slice_util.computeOutShape(info.begin, info.end, info.strides)
      return reshaped(sliceOf(run, x!, info.begin, size), info.finalShape)
    }
    return run.otherwise()
  },

  /** A copy of the tensor with the updates in it; tfjs' cpu kernel writes into its input. */
  TensorScatterUpdate({ tensor, indices, updates }, _, { backend }) {
    const [x, ids, put] = [tensor!, indices!, updates!]
    const depth = ids.shape[ids.shape.length - 1]!
    const from = backend.numbers(x)
    const values = from.slice()
    const steps = stepsOf(x.shape)
    const width = sizeOf(x.shape.slice(depth))
    const at = backend.ints(ids)
    const numbers = backend.numbers(put)
    const count = depth ? at.length / depth : 1
    for (let i = 0; i < count; i++) {
      let offset = 0
      for (let k = 0; k < depth; k++) {
        const id = at[i * depth + k]!
        if (id < 0 || id >= x.shape[k]!) {
          throw new RangeError(`TensorScatterUpdate: index ${id} is outside 0..${x.shape[k]! - 1} of axis ${k}`)
        }
        offset += id * steps[k]!
      }
      values.set(numbers.subarray(i * width, (i + 1) * width), offset)
    }
    return backend.makeTensorInfo(x.shape, x.dtype, values)
  },

  Transpose({ x }, { perm }, run) {
    const steps = stepsOf(x!.shape)
    const target = perm.map((axis: number) => x!.shape[axis]!)
    const fast =
      isWide(x!) &&
      copyOf(
        run,
        x!,
        target,
        perm.map((axis: number) => steps[axis]!),
        0,
      )
    return fast || run.otherwise()
  },

  Concat: concat,

  Pack(inputs, { axis }, run) {
    const all = Object.values(inputs) as TensorInfo[]
    const at = axis < 0 ? axis + all[0]!.shape.length + 1 : axis
    const same = all.every((x) => x.dtype === all[0]!.dtype && String(x.shape) === String(all[0]!.shape))
    if (!same || !isWide(all[0]!) || all.length < 2) return run.otherwise()
    const grown = all.map((x) => ({ ...x, shape: [...x.shape.slice(0, at), 1, ...x.shape.slice(at)] }))
    return concat(Object.fromEntries(grown.map((x, i) => [i, x])), { axis: at }, run)
  },

  Tile({ x }, { reps }, run) {
    const steps = stepsOf(x!.shape)
    const axes: Axis[] = []
    const target = x!.shape.map((d, i) => d * reps[i]!)
    const so = stepsOf(target)
    x!.shape.forEach((d, i) => {
      axes.push({ size: reps[i]!, a: 0, b: 0, out: d * so[i]! }, { size: d, a: steps[i]!, b: 0, out: so[i]! })
    })
    const walk = isWide(x!) ? packWalk(axes) : undefined
    if (!walk) return run.otherwise()
    const { info, values } = like(run.backend, x!, target)
    if (values.length) run.addon.copyWalk(walk, wide(run.backend, x!), values)
    return info
  },

  PadV2({ x }, { paddings, constantValue }, run) {
    const pads = paddings as [number, number][]
    const target = x!.shape.map((d, i) => d + pads[i]![0] + pads[i]![1])
    const [steps, so] = [stepsOf(x!.shape), stepsOf(target)]
    const walk = packWalk(x!.shape.map((size, i) => ({ size, a: steps[i]!, b: 0, out: so[i]! })))
    if (!walk || !isWide(x!) || pads.some(([before, after]) => before < 0 || after < 0)) return run.otherwise()
    const { info, values } = like(run.backend, x!, target)
    values.fill(constantValue)
    const offset = pads.reduce((sum, [before], i) => sum + before * so[i]!, 0)
    if (sizeOf(x!.shape)) run.addon.copyWalk(walk, wide(run.backend, x!), offset ? values.subarray(offset) : values)
    return info
  },

  Fill(_, attrs, { backend, addon, otherwise }) {
    const { shape: target, value, dtype } = attrs
    if ((dtype ?? util.inferDtype(value)) !== 'float32') return otherwise()
    const { info, values } = output(backend, target)
    addon.fill(values.length, wordOf(value), values)
    return info
  },

  ZerosLike({ x }, _, { backend, addon, otherwise }) {
    if (!areFloats(x)) return otherwise()
    const { info, values } = output(backend, x!.shape)
    addon.fill(values.length, 0, values)
    return info
  },

  OnesLike({ x }, _, { backend, addon, otherwise }) {
    if (!areFloats(x)) return otherwise()
    const { info, values } = output(backend, x!.shape)
    addon.fill(values.length, wordOf(1), values)
    return info
  },

  OneHot({ indices }, { depth, onValue, offValue, dtype }, { backend, otherwise }) {
    if (dtype !== 'int32' && dtype !== 'float32') return otherwise()
    const ids = backend.numbers(indices!)
    const n = ids.length * depth
    const values = dtype === 'int32' ? backend.memoryPool.ints(n) : backend.memoryPool.floats(n)
    values.fill(offValue)
    ids.forEach((id, row) => {
      if (id >= 0 && id < depth) values[row * depth + id] = onValue
    })
    return backend.makeTensorInfo([...indices!.shape, depth], dtype, values)
  },

  Cast({ x }, { dtype }, { backend, otherwise }) {
    if (x!.dtype === dtype || dtype !== 'float32' || !(x!.dtype === 'int32' || x!.dtype === 'bool')) return otherwise()
    const { info, values } = output(backend, x!.shape)
    values.set(backend.numbers(x!))
    return info
  },

  GatherV2({ x, indices }, { axis, batchDims }, run) {
    const at = util.parseAxisParam(axis, x!.shape)[0]!
    if (!isWide(x!) || indices!.dtype !== 'int32' || batchDims) return run.otherwise()
    const { backend, addon } = run
    const [outer, rows, width] = [sizeOf(x!.shape.slice(0, at)), x!.shape[at]!, sizeOf(x!.shape.slice(at + 1))]
    const ids = backend.ints(indices!)
    for (let i = 0; i < ids.length; i++) {
      if (!(ids[i]! >= 0 && ids[i]! < rows)) {
        throw new RangeError(`GatherV2: index ${ids[i]} is outside 0..${rows - 1}`)
      }
    }
    const { info, values } = like(backend, x!, [...x!.shape.slice(0, at), ...indices!.shape, ...x!.shape.slice(at + 1)])
    addon.gather(outer, rows, ids.length, width, wide(backend, x!), ids, values)
    return info
  },

  UnsortedSegmentSum({ x, segmentIds }, { numSegments }, { backend, addon, otherwise }) {
    const rank = segmentIds!.shape.length
    const leading = x!.shape.slice(0, rank)
    if (!areFloats(x) || segmentIds!.dtype !== 'int32' || String(leading) !== String(segmentIds!.shape))
      return otherwise()
    const inner = x!.shape.slice(rank)
    const { info, values } = output(backend, [numSegments, ...inner])
    const ids = backend.ints(segmentIds!)
    addon.scatterAdd(ids.length, sizeOf(inner), numSegments, -1, backend.floats(x!), ids, values)
    return info
  },

  TopK({ x }, { k }, { backend, addon, otherwise }) {
    if (!areFloats(x) || x!.shape.length === 0 || k < 1) return otherwise()
    const columns = x!.shape[x!.shape.length - 1]!
    const rows = columns ? sizeOf(x!.shape) / columns : 0
    const target = [...x!.shape.slice(0, -1), k]
    const { info, values } = output(backend, target)
    const indices = backend.memoryPool.ints(sizeOf(target))
    addon.topK(rows, columns, k, backend.floats(x!), values, indices)
    return [info, backend.makeTensorInfo(target, 'int32', indices)]
  },
}

function reshaped(x: TensorInfo, target: number[]): TensorInfo {
  return { ...x, shape: target }
}

const view = new DataView(new ArrayBuffer(4))
/** The bits of a float. */
function wordOf(value: number): number {
  view.setFloat32(0, value)
  return view.getUint32(0)
}
