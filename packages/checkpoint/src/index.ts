export { fileSource, writeFileAtomic } from '#platform'
export type { Checkpoint, StoredTensor } from './checkpoint.ts'
export { toFloat32, toInt32 } from './decode.ts'
export {
  bytesPerElement,
  type Dtype,
  isFloatDtype,
  type QuantizedDtype,
  type TensorValues,
  type ValuesOf,
} from './dtypes.ts'
export { byteLengthOf, bytesOf } from './encode.ts'
export { type FilesBeside, openGguf } from './gguf/open.ts'
export type { HubOptions } from './hub/files.ts'
export { openPretrained, type Pretrained, type PretrainedOptions } from './hub/open-pretrained.ts'
export { type SavePretrainedOptions, savePretrained } from './hub/save-pretrained.ts'
export { openLlama2c } from './llama2c/open.ts'
export { type HeldDtype, type LoadOptions, type LoadProgress, type LoadResult, load } from './load.ts'
export { type Misshapen, StrictLoadError } from './match-names.ts'
export { type CheckpointTarget, type OpenOptions, openCheckpoint } from './open-checkpoint.ts'
export { openUrl } from './open-url.ts'
export { type CutAxis, joinParts } from './parts.ts'
export { openPyTorch, type PyTorchOptions } from './pytorch/open.ts'
export { openSafetensors } from './safetensors/reader.ts'
export {
  encodeSafetensors,
  layoutSafetensors,
  type SafetensorsLayout,
  safetensorsChunks,
  type TensorToWrite,
} from './safetensors/writer.ts'
export { type EncodeOptions, type SaveOptions, save, saveToBytes } from './save.ts'
export { openSharded, parseShardIndex, type ShardIndex } from './sharded.ts'
export { blobSource } from './sources/blob.ts'
export { type HttpOptions, httpSource } from './sources/http.ts'
export { bytesSource } from './sources/memory.ts'
export { sliceSource } from './sources/slice.ts'
export { tableOf } from './table.ts'
export type { DownloadProgress, UrlOptions } from './url-options.ts'
export {
  readWordVectors,
  type WordVectorFormat,
  type WordVectorOptions,
  type WordVectors,
} from './word-vectors/read.ts'
