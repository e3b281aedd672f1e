export * from './carry.ts'
export * from './clipping.ts'
export * from './data/batch-source.ts'
export * from './data/padding.ts'
export * from './data/shuffled-batches.ts'
export { type Ids, idsTensor, type TokenBatch } from './data/token-batch.ts'
export * from './data/token-crops.ts'
export * from './data/token-streams.ts'
export { DivergedError } from './loss-log.ts'
export { Adagrad, type AdagradOptions } from './optimizers/adagrad.ts'
export { Adam, type AdamOptions, AdamW } from './optimizers/adam.ts'
export type { KernelStep } from './optimizers/in-place.ts'
export {
  type CommonOptions,
  Optimizer,
  type OptimizerState,
  type ParameterGroup,
  type Slots,
  type Update,
} from './optimizers/optimizer.ts'
export { RMSprop, type RMSpropOptions } from './optimizers/rmsprop.ts'
export { SGD, type SGDOptions } from './optimizers/sgd.ts'
export * from './reporter.ts'
export * from './schedules.ts'
export { type GradientStep, gradientStep } from './step.ts'
export * from './trainer.ts'
export * from './training-state.ts'
