import { BinaryReader, BinaryWriter, WireType } from '@bufbuild/protobuf/wire'
import { expect, it } from 'vitest'
import { onnxConstants, withOutputs } from './onnx.ts'

type Field = [field: number, value: number | string | Uint8Array]

/** A message of the wire format, field by field. */
function message(...fields: Field[]): Uint8Array {
  const writer = new BinaryWriter()
  for (const [field, value] of fields) {
    if (typeof value === 'number') writer.tag(field, WireType.Varint).int64(value)
    else if (typeof value === 'string') writer.tag(field, WireType.LengthDelimited).string(value)
    else writer.tag(field, WireType.LengthDelimited).bytes(value)
  }
  return writer.finish()
}

const floats = (...values: number[]) => new Uint8Array(Float32Array.from(values).buffer)
const packed = (...dims: number[]) => dims.reduce((writer, d) => writer.int64(d), new BinaryWriter()).finish()
const FLOAT = 1

const weight = message([1, packed(2, 2)], [2, FLOAT], [8, 'weight'], [9, floats(1, 2, 3, 4)])
const bias = message([1, 3], [2, FLOAT], [4, floats(5, 6, 7)])
const constant = message([2, 'bias'], [4, 'Constant'], [5, message([1, 'value'], [5, bias])])
const branch = message([1, 'then_branch'], [6, message([1, constant])])
const choice = message([1, 'condition'], [2, 'chosen'], [4, 'If'], [5, branch])
const model = message([1, 8], [7, message([1, choice], [5, weight], [12, message([1, 'chosen'])])])

it('reads initializers and constants, those of a branch too', () => {
  const found = onnxConstants(model)
  expect([...found.keys()].sort()).toEqual(['bias', 'weight'])
  expect(found.get('weight')).toEqual({ shape: [2, 2], values: Float32Array.of(1, 2, 3, 4) })
  expect(found.get('bias')).toEqual({ shape: [3], values: Float32Array.of(5, 6, 7) })
})

it('adds outputs by a second graph, which readers merge into the first', () => {
  const more = withOutputs(model, ['inner', 'outer'])
  expect(more.subarray(0, model.length)).toEqual(model)
  const reader = new BinaryReader(more.subarray(model.length))
  expect(reader.tag()).toEqual([7, WireType.LengthDelimited])
  expect(reader.bytes()).toEqual(message([12, message([1, 'inner'])], [12, message([1, 'outer'])]))
  expect(onnxConstants(more)).toEqual(onnxConstants(model))
})
