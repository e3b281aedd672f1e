import {
  additiveScores,
  linear,
  Module,
  matMul,
  narrow,
  Parameter,
  type Tensor3D,
  torchUniform,
} from '@filature/tensor'

/** How well each query fits each position of a memory: the part in which the content attentions differ. */
export abstract class Score extends Module {
  /** What of the memory does not depend on the query: computed once for all steps. (B, S, M) -> (B, S, ...) */
  project(memory: Tensor3D): Tensor3D {
    return memory
  }

  /** query (B, T, C), projected (B, S, ...) -> scores (B, T, S) */
  abstract forward(query: Tensor3D, projected: Tensor3D): Tensor3D
}

/** v_a . tanh(W_a s_i + U_a h_j): Bahdanau et al. 2015, appendix A.1.2. */
export class AdditiveScore extends Score {
  readonly W_a: Parameter
  readonly U_a: Parameter
  readonly v_a: Parameter

  constructor({ query, memory, hidden }: { query: number; memory: number; hidden: number }) {
    super()
    this.W_a = new Parameter([hidden, query], torchUniform())
    this.U_a = new Parameter([hidden, memory], torchUniform())
    this.v_a = new Parameter([hidden], torchUniform())
  }

  override project(memory: Tensor3D): Tensor3D {
    return linear(memory, this.U_a.value)
  }

  forward(query: Tensor3D, projected: Tensor3D): Tensor3D {
    return additiveScores(linear(query, this.W_a.value), projected, this.v_a.value)
  }
}

/** h_t . h_s: Luong et al. 2015, equation 8, as are the next two. Query and memory have one width. */
export class DotScore extends Score {
  forward(query: Tensor3D, projected: Tensor3D): Tensor3D {
    return matMul(query, projected, { transposeB: true })
  }
}

/** h_t^T W_general h_s */
export class GeneralScore extends Score {
  readonly W_general: Parameter

  constructor({ query, memory }: { query: number; memory: number }) {
    super()
    this.W_general = new Parameter([query, memory], torchUniform())
  }

  override project(memory: Tensor3D): Tensor3D {
    return linear(memory, this.W_general.value)
  }

  forward(query: Tensor3D, projected: Tensor3D): Tensor3D {
    return matMul(query, projected, { transposeB: true })
  }
}

/** v . tanh(W_concat [h_t; h_s]) */
export class ConcatScore extends Score {
  readonly W_concat: Parameter
  readonly v_concat: Parameter
  readonly #query: number

  constructor({ query, memory, hidden }: { query: number; memory: number; hidden: number }) {
    super()
    this.W_concat = new Parameter([hidden, query + memory], torchUniform())
    this.v_concat = new Parameter([hidden], torchUniform())
    this.#query = query
  }

  // W [h_t; h_s] = W_left h_t + W_right h_s: the pairs are never joined
  override project(memory: Tensor3D): Tensor3D {
    return linear(memory, narrow(this.W_concat.value, 1, this.#query))
  }

  forward(query: Tensor3D, projected: Tensor3D): Tensor3D {
    const left = narrow(this.W_concat.value, 1, 0, this.#query)
    return additiveScores(linear(query, left), projected, this.v_concat.value)
  }
}
