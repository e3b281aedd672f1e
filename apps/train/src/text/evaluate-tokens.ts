import { type CausalLM, crossEntropy, type Tensor2D, tensor, tidy } from '@filature/tensor'

const ROWS = 8

/**
 * Nats per token over a row of ids, read in windows of `length` tokens that follow each other: every id but the first is
 * predicted once. `bytes` is how long the text behind the ids is.
 */
export async function evaluateTokens(
  model: CausalLM,
  tokens: Int32Array,
  { length, bytes }: { length: number; bytes: number },
): Promise<{ loss: number; bitsPerByte: number }> {
  const windows: Int32Array[] = []
  for (let from = 0; from + 1 < tokens.length; from += length) windows.push(tokens.subarray(from, from + length + 1))
  let total = 0
  for (let from = 0; from < windows.length; from += ROWS) {
    const rows = windows.slice(from, from + ROWS)
    // Only the last window of all can be short; padding stands behind what counts and is ignored.
    const ids = new Int32Array(rows.length * length)
    const targets = new Int32Array(rows.length * length).fill(-100)
    rows.forEach((row, r) => {
      ids.set(row.subarray(0, -1), r * length)
      targets.set(row.subarray(1), r * length)
    })
    const sum = tidy(() => {
      const shape: [number, number] = [rows.length, length]
      const logits = model.logits({ ids: tensor(ids, shape, 'int32') as Tensor2D })
      return crossEntropy(logits, tensor(targets, shape, 'int32'), { reduction: 'sum' })
    })
    total += (await sum.data())[0]!
    sum.dispose()
  }
  return { loss: total / (tokens.length - 1), bitsPerByte: total / Math.LN2 / bytes }
}
