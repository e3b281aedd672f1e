import type { Module, Tensor } from '@filature/tensor'
import type { Position } from './data/batch-source.ts'

/** Plain JSON: where a run stands. */
export interface Progress {
  /** Steps made. */
  readonly step: number
  readonly rng: { readonly key: readonly [number, number]; readonly position: number }
  readonly data: Position
  readonly optimizer: { readonly name: string; readonly steps: Readonly<Record<string, number>> }
  readonly smoothedLoss: number | null
  /** The evaluation that was best so far. */
  readonly best: { readonly step: number; readonly value: number } | null
}

/** Everything beside the model that a run needs to go on as if nothing had happened. */
export interface TrainingState {
  readonly progress: Progress
  /** `optimizer.<parameter path>.<slot>` and `state.<name>.<tensor>`; the trainer's own. */
  readonly tensors: ReadonlyMap<string, Tensor>
}

/** A checkpoint that was read. Its tensors are the caller's. */
export interface StoredTraining extends TrainingState {
  /** Fills the model; on failure the model is unchanged. */
  fill(model: Module): Promise<void>
}

/** Where a trainer saves. `@filature/train/node` has one for folders. */
export interface TrainingStore {
  /** Where that is, for messages. */
  readonly name: string
  /** Saves whole or not at all; keeps this checkpoint and the best one. */
  save(model: Module, state: TrainingState): Promise<void>
  /** The newest checkpoint; undefined where there is none. */
  load(): Promise<StoredTraining | undefined>
}
