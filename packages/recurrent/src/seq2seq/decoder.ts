import {
  AdditiveScore,
  AttentionalState,
  ConcatScore,
  type ContextAttention,
  type ContextInputs,
  DotScore,
  GeneralScore,
  HardAttention,
  LocalAttention,
  SoftAttention,
} from '@filature/attention'
import {
  cast,
  concat,
  Dropout,
  Embedding,
  expandDims,
  Linear,
  Module,
  mul,
  narrow,
  observe,
  pad,
  reshape,
  squeeze,
  sub,
  sum,
  type Tensor,
  type Tensor2D,
  type Tensor3D,
  tanh,
  transpose,
  UsageError,
  zeros,
} from '@filature/tensor'
import { type GRU, LSTM } from '../networks.ts'
import { embeddingInit, recurrentNetwork } from './encoder.ts'
import type { Seq2SeqOptions } from './seq2seq-config.ts'

/** What a decoder hands from step to step. */
export interface DecoderState {
  /** (L, B, C) */
  h: Tensor3D
  /** (L, B, C), of an LSTM. */
  c?: Tensor3D | undefined
  /** The attentional state of the step before, (B, 1, C), with input feeding. */
  fed?: Tensor3D | undefined
}

/** Looks at the memory: query (B, T, C) -> context (B, T, C). */
export type Look = (query: Tensor3D, inputs: ContextInputs) => Tensor3D

export interface DecoderInputs {
  memory: Tensor3D
  /** 1 where a source token counts, (B, S). */
  memoryMask?: Tensor2D | undefined
  state: DecoderState
  /** Number of the first step. */
  start?: number
  /** `attention.project(memory)`. */
  projected?: Tensor3D | undefined
  /** In place of `attention.forward`. */
  look?: Look | undefined
}

/** Soft, hard and local attention over a memory as wide as the states. */
function attentionOf({ attention, hidden_size: C, attention_size: hidden, local_window: window }: Seq2SeqOptions) {
  const sizes = { query: C, memory: C, hidden }
  if (attention === 'none') return undefined
  if (attention === 'additive') return new SoftAttention(new AdditiveScore(sizes))
  if (attention === 'dot') return new SoftAttention(new DotScore())
  if (attention === 'concat') return new SoftAttention(new ConcatScore(sizes))
  if (attention === 'general') return new SoftAttention(new GeneralScore(sizes))
  if (attention === 'hard') return new HardAttention(new GeneralScore(sizes))
  const predictive = attention === 'local-p' ? { query: C, hidden } : undefined
  return new LocalAttention(new GeneralScore(sizes), { window, predictive })
}

/**
 * Three ways to write: from the last state alone (Sutskever et al. 2014); with the context found by the state before,
 * which the cell reads beside the last word (Bahdanau et al. 2015, equations 4 to 6); with the context found by the new
 * state (Luong et al. 2015, section 3), with or without input feeding. The last two predict from
 * tanh(W_c [context; state]).
 */
export class RecurrentDecoder extends Module {
  /**
   * `states` (B, T, C) of the last layer; `alignment` (B, T, S): the pattern of all steps, to read (edit
   * `attention.pattern`, offered once a step where steps follow each other); `out` (B, T, C) before the vocabulary.
   */
  static override readonly taps = ['states', 'alignment', 'out']
  readonly embed: Embedding
  /** First states from the encoder's last ones: tanh(W [forward; backward]), and without tanh for cells. */
  readonly bridge: Linear
  readonly bridgeCell: Linear | undefined
  readonly rnn: GRU | LSTM
  readonly attention: ContextAttention | undefined
  readonly attentional: AttentionalState | undefined
  readonly dropout: Dropout
  readonly options: Seq2SeqOptions

  constructor(options: Seq2SeqOptions) {
    super()
    const { tgt_vocab, embedding_size: E, hidden_size: C, num_layers, cell, dropout } = options
    this.options = options
    this.embed = new Embedding(tgt_vocab, E, { init: embeddingInit })
    this.bridge = new Linear(C, num_layers * C)
    if (cell === 'lstm') this.bridgeCell = new Linear(C, num_layers * C)
    this.rnn = recurrentNetwork(cell, options.input_feeding ? E + C : E, C, { num_layers, dropout })
    this.attention = attentionOf(options)
    if (this.attention) this.attentional = new AttentionalState({ query: C, memory: C })
    this.dropout = new Dropout(dropout)
  }

  /** The state before the first word. memory (B, S, C) */
  start(memory: Tensor3D, memoryMask?: Tensor2D): DecoderState {
    const [B, S, C] = memory.shape
    const ahead = narrow(memory, 2, 0, C / 2)
    const last = memoryMask ? sum<Tensor2D>(mul(ahead, expandDims(ends(memoryMask), 2)), 1) : at(ahead, S - 1)
    const summary = concat([last, at(narrow(memory, 2, C / 2), 0)], 1) // (B, C)
    const layers = (x: Tensor2D) => transpose(reshape(x, [B, this.rnn.num_layers, C]), [1, 0, 2])
    return {
      h: layers(tanh(this.bridge.forward(summary))),
      c: this.bridgeCell && layers(this.bridgeCell.forward(summary)),
      fed: this.options.input_feeding ? zeros([B, 1, C]) : undefined,
    }
  }

  /** What comes after each of the words. int32 (B, T) -> out (B, T, C) */
  forward(ids: Tensor2D, inputs: DecoderInputs): { out: Tensor3D; state: DecoderState } {
    const x = this.dropout.forward(this.embed.forward<Tensor3D>(ids)) // (B, T, E)
    const patterns: Tensor3D[] = []
    const look = this.#watched(inputs, patterns)
    const { out, state } = this.options.input_feeding ? this.#steps(x, inputs, look) : this.#atOnce(x, inputs, look)
    if (patterns.length) this.#offer(concat(patterns, 1))
    return { out: this.tap('out', out), state }
  }

  #run(x: Tensor3D, { h, c }: DecoderState): { out: Tensor3D; h: Tensor3D; c?: Tensor3D } {
    return this.rnn instanceof LSTM ? this.rnn.forward(x, { h, c }) : this.rnn.forward(x, h)
  }

  /** Nothing goes back into the states: one call for all steps. */
  #atOnce(x: Tensor3D, { state, start = 0 }: DecoderInputs, look: Look): { out: Tensor3D; state: DecoderState } {
    const { out, ...next } = this.#run(x, state)
    const states = this.tap('states', out)
    return { out: this.attention ? this.#predict(look(states, { start }), states) : states, state: next }
  }

  #steps(x: Tensor3D, { state, start = 0 }: DecoderInputs, look: Look): { out: Tensor3D; state: DecoderState } {
    const seen: Tensor3D[] = []
    const outs: Tensor3D[] = []
    const before = this.options.attention === 'additive' // Bahdanau asks with the state before the step
    for (let t = 0; t < x.shape[1]; t++) {
      const word = narrow(x, 1, t, t + 1)
      const found = before ? look(topOf(state.h), { start: start + t }) : undefined
      const { out, ...next } = this.#run(concat([word, found ?? state.fed!], 2), state)
      const predicted = this.#predict(found ?? look(out, { start: start + t }), out)
      seen.push(out)
      outs.push(predicted)
      state = { ...next, fed: predicted }
    }
    this.tap('states', concat(seen, 1))
    return { out: concat(outs, 1), state }
  }

  #predict(context: Tensor3D, states: Tensor3D): Tensor3D {
    return this.dropout.forward(this.attentional!.forward(context, states))
  }

  /** Looks with what all steps have in common; collects the patterns when somebody wants the alignment. */
  #watched({ memory, memoryMask, projected, look }: DecoderInputs, patterns: Tensor3D[]): Look {
    const attention = this.attention
    if (!attention) return (query) => query
    const common = { keep: memoryMask, projected: projected ?? attention.project(memory) }
    const plain: Look = (query, inputs) =>
      look ? look(query, { ...common, ...inputs }) : attention.forward(query, memory, { ...common, ...inputs })
    if (!this.tapped('alignment')) return plain
    const read = (pattern: Tensor) => void patterns.push(pattern as Tensor3D)
    return (query, inputs) => observe(attention, { pattern: read }, () => plain(query, inputs))
  }

  #offer(alignment: Tensor3D): void {
    if (this.tap('alignment', alignment) !== alignment) {
      throw new UsageError('tap-readonly', 'RecurrentDecoder: alignment can only be read; edit attention.pattern.')
    }
  }
}

/** (B, S, C) -> (B, C) */
const at = (x: Tensor3D, s: number): Tensor2D => squeeze(narrow(x, 1, s, s + 1), [1])

/** The last layer's state as a query: (L, B, C) -> (B, 1, C) */
const topOf = (h: Tensor3D): Tensor3D => transpose(narrow(h, 0, h.shape[0] - 1), [1, 0, 2])

/** 1 at the last token of each row, else 0. (B, S) */
function ends(mask: Tensor2D): Tensor2D {
  const counts = cast(mask, 'float32')
  if (mask.shape[1] === 1) return counts
  return sub(
    counts,
    pad(narrow(counts, 1, 1), [
      [0, 0],
      [0, 1],
    ]),
  )
}
