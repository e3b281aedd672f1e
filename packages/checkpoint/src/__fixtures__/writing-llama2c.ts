// Writes llama2.c's files for tests, as its export.py lays them out, so that they can be wrong on purpose.

export interface Llama2cToWrite {
  readonly version: 0 | 1 | 2
  readonly dim: number
  readonly hidden_dim: number
  readonly n_layers: number
  readonly n_heads: number
  readonly n_kv_heads: number
  readonly vocab_size: number
  readonly max_seq_len: number
  readonly shared: boolean
  readonly groupSize?: number
  /** A tensor by the name that llama2.c's model gives it. */
  readonly weights: (name: string) => Float32Array
}

const bytesOf = (values: Float32Array | Int32Array | Int8Array) =>
  new Uint8Array(values.buffer, values.byteOffset, values.byteLength)

/** Groups of int8 under a scale of max |w| / 127: the weights of the whole tensor, then its scales. */
function inGroups(values: Float32Array, size: number): Uint8Array[] {
  const q = new Int8Array(values.length)
  const scales = new Float32Array(values.length / size)
  for (let group = 0; group < scales.length; group++) {
    const part = values.subarray(group * size, (group + 1) * size)
    const scale = Math.fround(Math.max(...part.map(Math.abs)) / 127)
    scales[group] = scale
    part.forEach((w, i) => {
      q[group * size + i] = scale === 0 ? 0 : Math.round(w / scale)
    })
  }
  return [bytesOf(q), bytesOf(scales)]
}

export function llama2c(file: Llama2cToWrite): Uint8Array {
  const { version, n_layers, shared, weights, dim, n_heads, max_seq_len, groupSize = 64 } = file
  const vocabulary = version === 0 && !shared ? -file.vocab_size : file.vocab_size
  const sizes = Int32Array.of(dim, file.hidden_dim, n_layers, n_heads, file.n_kv_heads, vocabulary, max_seq_len)
  const each = (name: string) => Array.from({ length: n_layers }, (_, i) => weights(`layers.${i}.${name}.weight`))
  const attention = ['wq', 'wk', 'wv', 'wo'].flatMap((name) => each(`attention.${name}`))
  const feedForward = ['w1', 'w2', 'w3'].flatMap((name) => each(`feed_forward.${name}`))
  const embedding = weights('tok_embeddings.weight')
  const head = shared ? [] : [weights('output.weight')]
  if (version === 0) {
    const sines = new Float32Array((max_seq_len * dim) / n_heads).fill(Number.NaN) // nobody reads them
    const norms = [each('attention_norm'), each('ffn_norm')] as const
    const order = [embedding, ...norms[0], ...attention, ...norms[1], ...feedForward, weights('norm.weight'), sines]
    return joined([bytesOf(sizes), ...[...order, ...head].map(bytesOf)])
  }
  const header = new Uint8Array(256)
  const view = new DataView(header.buffer)
  view.setUint32(0, 0x616b3432, true)
  view.setInt32(4, version, true)
  header.set(bytesOf(sizes), 8)
  header[36] = Number(shared)
  if (version === 2) view.setInt32(37, groupSize, true)
  const norms = [...each('attention_norm'), ...each('ffn_norm'), weights('norm.weight')].map(bytesOf)
  const matrices = [embedding, ...attention, ...feedForward, ...head]
  const packed = matrices.flatMap((values) => (version === 2 ? inGroups(values, groupSize) : [bytesOf(values)]))
  return joined([header, ...norms, ...packed])
}

const joined = (parts: readonly Uint8Array[]) => new Uint8Array(Buffer.concat(parts))

/** A small model: tensor t of the file's names has the numbers t, t + 1/8, ... */
export const smallLlama2c = (version: 0 | 1 | 2, shared: boolean): Llama2cToWrite => {
  const size = { dim: 8, hidden_dim: 12, n_layers: 2, n_heads: 2, n_kv_heads: 1, vocab_size: 6, max_seq_len: 5 }
  const lengths: Record<string, number> = {
    tok_embeddings: 48,
    output: 48,
    attention_norm: 8,
    ffn_norm: 8,
    norm: 8,
    wq: 64,
    wk: 32,
    wv: 32,
    wo: 64,
    w1: 96,
    w2: 96,
    w3: 96,
  }
  const weights = (name: string) => {
    const from = [...name].reduce((sum, c) => sum + c.charCodeAt(0), 0)
    return Float32Array.from({ length: lengths[name.split('.').at(-2)!]! }, (_, i) => from + i / 8)
  }
  return { ...size, version, shared, groupSize: 4, weights }
}
