export { type Differentiated, differentiate, gradientWanted, valueAndGradsOf } from './autodiff.ts'
export * from './backends.ts'
export { fromBf16, toBf16 } from './bf16.ts'
export { checkpointed } from './checkpointed.ts'
export { type ConfigKeys, configFrom } from './config-json.ts'
export * from './contracts.ts'
export * from './dialect.ts'
export * from './einops.ts'
export * from './errors.ts'
export { additiveScores } from './fused/additive-scores.ts'
export { appendRows, appendsInPlace } from './fused/append-rows.ts'
export * from './fused/attention.ts'
export { softmaxCrossEntropy } from './fused/cross-entropy.ts'
export { type DropoutDraw, dropout, dropoutMask } from './fused/dropout.ts'
export { embedding } from './fused/embedding.ts'
export { linear } from './fused/linear.ts'
export { layerNorm, rmsNorm } from './fused/norm.ts'
export { type FusedOp, hasKernel, runFused } from './fused/op.ts'
export { linearBy } from './fused/packed-linear.ts'
export * from './fused/recurrent.ts'
export { rotary } from './fused/rotary.ts'
export { sumOfSquares } from './fused/sum-of-squares.ts'
export { swiglu } from './fused/swiglu.ts'
export { runUpdate, sharesData } from './fused/update.ts'
export { type ValueAndGrads, valueAndGrads } from './grads.ts'
export { checkIds } from './ids.ts'
export * from './init.ts'
export { Conv2d } from './layers/conv.ts'
export { Dropout, DropPath } from './layers/dropout.ts'
export { Embedding, type EmbeddingOptions } from './layers/embedding.ts'
export { Linear, type LinearOptions } from './layers/linear.ts'
export { applyLora, LoraLinear, type LoraOptions } from './layers/lora.ts'
export { LayerNorm, RMSNorm } from './layers/norm.ts'
export * from './losses.ts'
export { clone, dispose, frozen, keep, liveMemory, tidy } from './memory.ts'
export {
  freeze,
  init,
  isModule,
  type Leaf,
  Module,
  moduleAt,
  modulesOf,
  parameterCount,
  parametersOf,
  replaceModule,
  stateOf,
  tiesOf,
} from './module.ts'
export * from './ops/activation.ts'
export { batchNorm, groupNorm } from './ops/channel-norm.ts'
export * from './ops/conv.ts'
export * from './ops/create.ts'
export * from './ops/elementwise.ts'
export { erf } from './ops/erf.ts'
export { matMul } from './ops/matmul.ts'
export * from './ops/reduce.ts'
export { adaptiveAvgPool2d, type Interpolation, interpolate } from './ops/resample.ts'
export * from './ops/shape.ts'
export { Buffer, type HostArray, isBuffer, isParameter, Parameter } from './parameter.ts'
export { hash64, philox, philoxWords } from './philox.ts'
export { Rng } from './rng.ts'
export { inference, isTraining, training } from './run.ts'
export { currentScope, enterScope, nextDraw, type RunScope } from './scope.ts'
export { type SelfTestReport, selfTest } from './self-test.ts'
export { activationGrads, type Captured, capture, type Edit, matcher, observe, type Which } from './taps.ts'
export * from './types.ts'
export { Bf16Store, type BlockFormat, BlockStore, DenseStore, type WeightStore } from './weight-store.ts'
