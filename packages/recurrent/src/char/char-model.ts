import {
  crossEntropy,
  type Module,
  type Reduction,
  reshape,
  type Scalar,
  type Tensor,
  type Tensor2D,
  type Tensor3D,
} from '@filature/tensor'

/** The hidden state of a character model, by name. */
export type CharState = Readonly<Record<string, Tensor>>

/** A network that reads characters one after the other and scores the next. */
export interface CharModel extends Module {
  readonly vocabularySize: number
  /**
   * ids int32 (T, B), time first -> logits (T, B, V), and the state after the last character. Without a state it
   * begins from zeros.
   */
  read(ids: Tensor2D, state?: CharState): { logits: Tensor3D; state: CharState }
}

/**
 * Cross-entropy in nats of each next character, from the state that earlier characters left. inputs, targets int32
 * (T, B). 'sum' over T is the classic loss of one stream.
 */
export function nextCharacterLoss(
  model: CharModel,
  { inputs, targets }: { inputs: Tensor2D; targets: Tensor2D },
  state?: CharState,
  reduction: Reduction = 'mean',
): { loss: Scalar; state: CharState } {
  const read = model.read(inputs, state)
  const loss = crossEntropy(reshape(read.logits, [-1, model.vocabularySize]), reshape(targets, [-1]), { reduction })
  return { loss: loss as Scalar, state: read.state }
}
