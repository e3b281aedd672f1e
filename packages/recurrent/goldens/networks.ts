import { adapter } from '@filature/goldens'
import type { Tensor3D } from '@filature/tensor'
import { GRU, LSTM, RNN } from '../src/index.ts'

/** RNN, LSTM and GRU of torch: outputs, last states and all gradients, and the same without initial state. */
export const networkAdapter = adapter<RNN | LSTM | GRU>({
  cases: /^(rnn|lstm|gru)_/,
  model: ({ config: { kind, input_size, hidden_size, loss_outputs: _, kind: __, ...options } }) => {
    const Kind = { RNN, LSTM, GRU }[kind as 'RNN']
    return new Kind(input_size, hidden_size, options)
  },
  run(golden, model) {
    const x = golden.input<Tensor3D>('x')
    const h = golden.optionalInput<Tensor3D>('h0')
    const c = golden.optionalInput<Tensor3D>('c0')
    const run = (start: { h?: Tensor3D | undefined; c?: Tensor3D | undefined }) =>
      model instanceof LSTM ? model.forward(x, start) : { ...model.forward(x, start.h), c: undefined }
    if (golden.has('outputs.out_zero_state')) golden.expect('out_zero_state', run({}).out)
    return golden.differentiate({
      model,
      forward: () => {
        const { out, h: h_n, c: c_n } = run({ h, c })
        return { out, h_n, c_n }
      },
    })
  },
})
