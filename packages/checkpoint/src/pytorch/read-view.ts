import type { ByteSource } from '../byte-source.ts'
import { readValues, valuesOf } from '../decode.ts'
import { bytesPerElement, type TensorValues } from '../dtypes.ts'
import { refuse } from '../refuse.ts'
import { allocate } from '../sources/range.ts'
import type { StridedView } from './values.ts'

/** Bytes of a storage that are held at once while a strided tensor is gathered. */
const spanBytes = 64 << 20

/** Elements that a tensor may repeat beyond its storage (`expand`): 64 Mi. */
const maxExpanded = 2 ** 26

/** Refuses a tensor that does not lie inside its storage of `bytes` bytes. */
export function checkView(view: StridedView, bytes: number, who: string): void {
  if (view.count === 0) return
  const elements = Math.floor(bytes / bytesPerElement[view.dtype])
  const last = view.storage.start + view.offset + spanOf(view.shape, view.strides) - 1
  if (!Number.isSafeInteger(last) || last >= elements) {
    refuse('pytorch-view', who, `it reaches element ${last} of a storage of ${elements}.`)
  }
  if (view.count > Math.max(elements, maxExpanded)) {
    refuse('pytorch-view', who, `its size [${view.shape}] repeats a storage of ${elements} elements too often.`)
  }
}

/** Elements from the first to the last of a strided window. */
function spanOf(shape: readonly number[], strides: readonly number[]): number {
  return shape.reduce((span, d, i) => span + (d - 1) * strides[i]!, 1)
}

/** All values of a tensor, row-major. A tensor without gaps is read straight from its storage. */
export async function readView(view: StridedView, storage: ByteSource, who: string): Promise<TensorValues> {
  const { dtype, count, shape, strides } = view
  const width = bytesPerElement[dtype]
  const start = view.storage.start + view.offset
  if (view.isContiguous) return await readValues(storage, start * width, dtype, count, who)
  const out = allocate(who, count * width, () => new Uint8Array(count * width))
  if (count > 0)
    await gather(storage, width, { shape, strides, from: start, to: 0 }, rowMajor(shape), elements(out, width))
  return valuesOf(dtype, out, who)
}

/** A block of a tensor: `from` its first element in the storage, `to` its first in the result. */
interface Block {
  readonly shape: readonly number[]
  readonly strides: readonly number[]
  readonly from: number
  readonly to: number
}

type Elements = Uint8Array | Uint16Array | Uint32Array | BigUint64Array

/** Copies a block, halving it along its longest reach until what has to be read at once is small. */
async function gather(
  storage: ByteSource,
  width: number,
  block: Block,
  outStrides: readonly number[],
  out: Elements,
): Promise<void> {
  const { shape, strides, from, to } = block
  const span = spanOf(shape, strides)
  if (span * width <= spanBytes || span === 1) {
    const read = elements(await storage.read(from * width, span * width), width)
    copy(read, block, outStrides, out)
    return
  }
  let axis = 0
  for (let i = 1; i < shape.length; i++) {
    if ((shape[i]! - 1) * strides[i]! > (shape[axis]! - 1) * strides[axis]!) axis = i
  }
  const half = shape[axis]! >> 1
  const first = { ...block, shape: shape.with(axis, half) }
  const second = {
    strides,
    shape: shape.with(axis, shape[axis]! - half),
    from: from + half * strides[axis]!,
    to: to + half * outStrides[axis]!,
  }
  await gather(storage, width, first, outStrides, out)
  await gather(storage, width, second, outStrides, out)
}

function copy(read: Elements, { shape, strides, to }: Block, outStrides: readonly number[], out: Elements): void {
  const inner = shape.length - 1
  const size = shape[inner]!
  const step = strides[inner]!
  const outStep = outStrides[inner]!
  const index = new Array<number>(inner).fill(0)
  let source = 0
  let target = to
  while (true) {
    for (let i = 0; i < size; i++) out[target + i * outStep] = read[source + i * step]!
    let axis = inner - 1
    while (axis >= 0 && index[axis]! + 1 === shape[axis]) {
      source -= index[axis]! * strides[axis]!
      target -= index[axis]! * outStrides[axis]!
      index[axis--] = 0
    }
    if (axis < 0) return
    index[axis]!++
    source += strides[axis]!
    target += outStrides[axis]!
  }
}

function rowMajor(shape: readonly number[]): number[] {
  const strides = new Array<number>(shape.length)
  let step = 1
  for (let i = shape.length - 1; i >= 0; i--) {
    strides[i] = step
    step *= shape[i]!
  }
  return strides
}

/** Bytes as whole elements, whatever they mean. */
function elements(bytes: Uint8Array, width: number): Elements {
  const { buffer, byteOffset } = bytes.byteOffset % width === 0 ? bytes : bytes.slice()
  const count = bytes.byteLength / width
  if (width === 1) return new Uint8Array(buffer, byteOffset, count)
  if (width === 2) return new Uint16Array(buffer, byteOffset, count)
  if (width === 4) return new Uint32Array(buffer, byteOffset, count)
  return new BigUint64Array(buffer, byteOffset, count)
}
