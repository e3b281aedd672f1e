import type { Dtype, QuantizedDtype, TensorValues } from './dtypes.ts'
import type { HeldBlocks } from './held-blocks.ts'

export interface StoredTensor {
  readonly dtype: Dtype | QuantizedDtype
  /** Row-major, outermost first, as PyTorch has it. */
  readonly shape: readonly number[]
}

/**
 * A checkpoint that is open: everything about its structure is checked, no tensor is in memory. Tensors are read one
 * at a time, by name.
 */
export interface Checkpoint extends AsyncDisposable {
  readonly format: 'safetensors' | 'pytorch' | 'gguf' | 'llama2c'
  /** Where it came from, for messages. */
  readonly name: string
  /** What the file says beside its tensors: safetensors' `__metadata__`, GGUF's keys, a .pth's non-tensor values, a header. */
  readonly metadata: ReadonlyMap<string, unknown>
  names(): readonly string[]
  has(name: string): boolean
  /** Throws CheckpointError `no-such-tensor`. */
  info(name: string): StoredTensor
  /** All values, row-major, in a new array: exact, the short floats and quantised blocks widened to float32. */
  read(name: string): Promise<TensorValues>
  /** A tensor of blocks or of 16-bit floats, to be held as the file has it; undefined for all others. */
  blocks?(name: string): HeldBlocks | undefined
  close(): Promise<void>
}
