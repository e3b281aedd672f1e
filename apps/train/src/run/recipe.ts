import type { Module, Scalar } from '@filature/tensor'
import type { BatchSource, Clipping, Optimizer, Schedule, Stateful } from '@filature/train'

/** What a run trains, put together from its settings; `start` of each command makes one. */
export interface Recipe<B> extends Disposable {
  readonly model: Module
  /** The scalar to make small, from a batch. */
  readonly loss: (batch: B) => Scalar
  readonly data: BatchSource<B>
  readonly optimizer: Optimizer
  readonly clipping: Clipping
  /** The learning rate by step; the optimizer's own when undefined. */
  readonly schedule: Schedule | undefined
  /** What a step hands to the next beside the weights, saved with them: the state of a recurrent network. */
  readonly state?: Readonly<Record<string, Stateful>>
  /** Of the loss that is shown; 0.95 of the one before when left out. */
  readonly smoothing?: { readonly keep: number; readonly start?: number }
  /** What a step's time grows with, where batches differ much: their tokens, with the padding. */
  readonly size?: (batch: B) => number
}

export type BatchOf<R extends AnyRecipe> = Parameters<R['loss']>[0]

/** Of whatever batches. */
// biome-ignore lint/suspicious/noExplicitAny: batches go in and come out, so neither unknown nor never holds them all
export type AnyRecipe = Recipe<any>
