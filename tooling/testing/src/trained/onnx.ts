import { BinaryReader, BinaryWriter, WireType } from '@bufbuild/protobuf/wire'

export interface OnnxTensor {
  readonly shape: readonly number[]
  /** float32 alone; other types are left empty. */
  readonly values: Float32Array
}

/** Fields of onnx.proto (ONNX, Apache 2.0): model.graph, graph.node, node.attribute and what lies in them. */
const MODEL_GRAPH = 7
const GRAPH = { node: 1, initializer: 5, output: 12 } as const
const VALUE_NAME = 1
const NODE = { output: 2, attribute: 5 } as const
const ATTRIBUTE = { tensor: 5, graph: 6 } as const
const TENSOR = { dims: 1, type: 2, floats: 4, name: 8, raw: 9 } as const
const FLOAT = 1

/** The float constants and initializers of an ONNX file, those of nested graphs too, by the name of what they feed. */
export function onnxConstants(bytes: Uint8Array): Map<string, OnnxTensor> {
  const found = new Map<string, OnnxTensor>()
  for (const [field, value] of fields(bytes)) if (field === MODEL_GRAPH) readGraph(value as Uint8Array, found)
  return found
}

/** The same network with intermediate values among its outputs, by their names in the graph. */
export function withOutputs(bytes: Uint8Array, names: readonly string[]): Uint8Array {
  const graph = new BinaryWriter()
  for (const name of names) {
    const value = new BinaryWriter().tag(VALUE_NAME, WireType.LengthDelimited).string(name).finish()
    graph.tag(GRAPH.output, WireType.LengthDelimited).bytes(value)
  }
  // a message that comes a second time is merged into the first
  const more = new BinaryWriter().tag(MODEL_GRAPH, WireType.LengthDelimited).bytes(graph.finish()).finish()
  const joined = new Uint8Array(bytes.length + more.length)
  joined.set(bytes)
  joined.set(more, bytes.length)
  return joined
}

function readGraph(bytes: Uint8Array, found: Map<string, OnnxTensor>): void {
  for (const [field, value] of fields(bytes)) {
    if (field === GRAPH.node) readNode(value as Uint8Array, found)
    if (field === GRAPH.initializer) {
      const { name, tensor } = readTensor(value as Uint8Array)
      found.set(name, tensor)
    }
  }
}

function readNode(bytes: Uint8Array, found: Map<string, OnnxTensor>): void {
  let output = ''
  for (const [field, value] of fields(bytes)) {
    if (field === NODE.output && output === '') output = text(value as Uint8Array)
    if (field !== NODE.attribute) continue
    for (const [inner, part] of fields(value as Uint8Array)) {
      if (inner === ATTRIBUTE.tensor) found.set(output, readTensor(part as Uint8Array).tensor)
      if (inner === ATTRIBUTE.graph) readGraph(part as Uint8Array, found)
    }
  }
}

function readTensor(bytes: Uint8Array): { name: string; tensor: OnnxTensor } {
  const shape: number[] = []
  let [name, type] = ['', 0]
  let raw = new Uint8Array()
  for (const [field, value] of fields(bytes)) {
    if (field === TENSOR.type) type = value as number
    else if (field === TENSOR.name) name = text(value as Uint8Array)
    else if (field === TENSOR.raw || field === TENSOR.floats) raw = new Uint8Array(value as Uint8Array)
    else if (field === TENSOR.dims) {
      if (typeof value === 'number') shape.push(value)
      else for (const packed = new BinaryReader(value); packed.pos < packed.len; ) shape.push(Number(packed.int64()))
    }
  }
  const values = type === FLOAT ? new Float32Array(raw.buffer, 0, raw.length / 4) : new Float32Array()
  return { name, tensor: { shape, values } }
}

const text = (bytes: Uint8Array) => new TextDecoder().decode(bytes)

function* fields(bytes: Uint8Array): Generator<[field: number, value: number | Uint8Array]> {
  const reader = new BinaryReader(bytes)
  while (reader.pos < reader.len) {
    const [field, type] = reader.tag() as [number, WireType]
    if (type === 0) yield [field, Number(reader.int64())]
    else if (type === 2) yield [field, reader.bytes()]
    else reader.skip(type)
  }
}
