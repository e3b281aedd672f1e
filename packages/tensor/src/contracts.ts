import type { Module } from './module.ts'
import type { Scalar, Tensor, Tensor2D, Tensor3D, Tensor4D } from './types.ts'
import type { BlockFormat } from './weight-store.ts'

// What packages share without importing each other.

/** Random access to a file, a blob or a URL; offsets go beyond 4 GB. */
export interface ByteSource {
  readonly name: string
  readonly size: number
  read(offset: number, length: number): Promise<Uint8Array>
  close(): Promise<void>
}

/** Element types of a file, by the names safetensors gives them. */
export type FileDtype =
  | 'F64'
  | 'F32'
  | 'F16'
  | 'BF16'
  | 'I64'
  | 'I32'
  | 'I16'
  | 'I8'
  | 'U64'
  | 'U32'
  | 'U16'
  | 'U8'
  | 'BOOL'

/** What reading a tensor gives, row-major. */
export type FileArray =
  | Float64Array
  | Float32Array
  | BigInt64Array
  | BigUint64Array
  | Int32Array
  | Uint32Array
  | Int16Array
  | Uint16Array
  | Int8Array
  | Uint8Array

/** A tensor of a checkpoint, not read yet. F16 and BF16 read as float32. */
export interface FileTensor {
  readonly dtype: FileDtype
  readonly shape: readonly number[]
  read(): Promise<FileArray>
  /** Where the numbers lie in blocks, or as 16-bit floats, row by row: the bytes as the file has them. */
  readonly blocks?: { readonly format: BlockFormat; readBytes(): Promise<Uint8Array> } | undefined
}

/** A checkpoint as a table of tensors by name; reading is per tensor. */
export type TensorTable = Map<string, FileTensor>

/** Keys and values of one layer of attention, as far as decoded. */
export interface LayerCache {
  /** Number of positions held. */
  readonly length: number
  /** Adds keys and values (B, T, G, D) of new positions; returns all of them (B, S, G, D). */
  append(k: Tensor4D, v: Tensor4D): { k: Tensor4D; v: Tensor4D }
}

/** The state of decoding: one entry for each layer, plus whatever a model keeps beside it. */
export interface Cache extends Disposable {
  readonly length: number
  layer(index: number): LayerCache
  /**
   * Keeps the rows `indices` (int32 (B')) of the batch in that order: beams.
   * @param from each row shares all before this position with the row that takes its place, and what it was encoded
   * from: a cache may leave that where it is; 0 by default
   */
  reorder(indices: Tensor, from?: number): void
}

/** What a step of a decoder-only model reads. */
export interface CausalInputs {
  /** int32 (B, T); or give `embeds`. */
  ids?: Tensor2D
  /** (B, T, C) in place of ids. */
  embeds?: Tensor3D
  /** 1 where a position counts, over cached and new positions: int32 (B, S). */
  attentionMask?: Tensor2D
  /** int32 (B, T); counted from the cache's length by default. */
  positionIds?: Tensor2D
  cache?: Cache
  /** Only the scores of the last position: (B, 1, V). */
  lastOnly?: boolean
}

/** A decoder-only language model that `generation` can drive. */
export interface CausalLM extends Module {
  /** -> (B, T, V) */
  logits(inputs: CausalInputs): Tensor3D
  newCache(batch: number, capacity: number): Cache
}

/** An encoder-decoder that `generation` can drive. */
export interface EncoderDecoderLM<Source = Tensor2D> extends Module {
  encode(source: Source): { memory: Tensor3D; memoryMask?: Tensor2D }
  /** Next-token scores of the target so far. -> (B, T, V) */
  decode(ids: Tensor2D, encoded: { memory: Tensor3D; memoryMask?: Tensor2D }, cache?: Cache): Tensor3D
  newCache(batch: number, capacity: number): Cache
}

/** A model that trains on batches of B. */
export interface Trainable<B> extends Module {
  loss(batch: B): Scalar
}

export type { Tensor }
