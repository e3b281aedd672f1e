export {
  type BlockPattern,
  type BlockSparseOptions,
  blockSparseAttention,
  localBlocks,
  randomBlocks,
  stridedBlocks,
  unionOfBlocks,
} from './block-sparse.ts'
export { heldKeyValues, KeyValueCache } from './cache.ts'
export {
  AttentionalState,
  ContextAttention,
  type ContextInputs,
  maskedSoftmax,
  SoftAttention,
} from './context.ts'
export type { GlobalTokens } from './global-tokens.ts'
export { HardAttention, type HardSample, MovingBaseline, scoreFunctionLoss } from './hard.ts'
export { LocalAttention } from './local.ts'
export { LongformerSelfAttention, type LongformerSelfAttentionConfig } from './longformer.ts'
export {
  addBiases,
  causalBias,
  causalKeep,
  distances,
  fillBias,
  fourAxes,
  keptByAll,
  LEAST,
  maskBias,
  paddingBias,
  paddingBiasFor,
  segmentKeep,
} from './masks.ts'
export { type KeyValues, MultiheadAttention, type MultiheadInputs, type MultiheadOptions } from './multihead.ts'
export { AttentionPooling, HiddenPooling, LinearPooling } from './pooling.ts'
export { type KeptHeads, keptHeads, prunedLinear } from './pruning.ts'
export {
  type RelativeKind,
  type RelativeOptions,
  RelativePositionTable,
  relativeBias,
  relativePositionBias,
  relativePositionIndex,
  relativePositionRows,
} from './relative.ts'
export { type RotaryTable, rotaryTable, rotaryTableAt } from './rotary.ts'
export {
  type LongRopeScaling,
  type RotaryOptions,
  type RotaryScaling,
  rotaryFrequencies,
  type YarnScaling,
  yarnFactor,
} from './rotary-frequencies.ts'
export {
  AttentionModule,
  joinHeads,
  type ScaledDotProductOptions,
  scaledDotProduct,
  splitHeads,
} from './scaled-dot-product.ts'
export { AdditiveScore, ConcatScore, DotScore, GeneralScore, Score } from './scores.ts'
export { LearnedPositions, sinusoidalPositions, sinusoidalTable } from './sinusoidal.ts'
export { type SlidingWindowOptions, slidingWindowAttention, slidingWindowKeep } from './sliding-window.ts'
