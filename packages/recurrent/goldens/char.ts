import { adapter, type Golden, type Loosened } from '@filature/goldens'
import { type Parameter, parametersOf, type Tensor2D, tidy, transpose, valueAndGrads } from '@filature/tensor'
import { Adagrad, Carry, clipByValue, idsTensor, TokenStreams } from '@filature/train'
import { CharRNN, nextCharacterLoss } from '../src/index.ts'

const CHAOS =
  'float32: the run is chaotic (Adagrad divides the first, tiny gradients by their own size, which turns rounding ' +
  "errors into steps of full length), so steps after the first are held to ten times the reference's own float32 " +
  'error (sixty times on webgpu, whose tanh and exp are allowed far larger errors)'

const slack = (golden: Golden) => (golden.backend === 'webgpu' ? 60 : 10)

/**
 * The classic run, step by step. In double precision everything is held to 1e-6. In float32 the first step's loss,
 * gradients and state are, and the rest within what the reference itself loses there.
 */
export const charAdapter = adapter({
  cases: /^char_rnn_/,
  async run(golden) {
    const { hidden_size, seq_length, learning_rate, clip, adagrad_eps, steps, chars } = golden.config
    using model = new CharRNN({ vocab_size: Array.from(chars as string).length, hidden_size })
    const parameters = parametersOf(model)
    for (const [name, parameter] of parameters) parameter.assign(golden.input(name))
    using optimizer = new Adagrad(model, { lr: learning_rate, eps: adagrad_eps, epsInsideRoot: true })
    const stream = new TokenStreams(golden.read('inputs.data').data, { batchSize: 1, length: seq_length })
    using carry = new Carry<{ h: Tensor2D }>()

    const losses: number[] = []
    const smoothLosses: number[] = []
    const positions: number[] = []
    const hidden: number[] = []
    let smooth = Math.log(model.vocabularySize) * seq_length
    for (let step = 0; step < steps; step++) {
      const batch = stream.next()
      positions.push((stream.position.offset as number) - seq_length)
      if (batch.fresh) carry.clear()
      const loss = tidy(() => {
        const { value, grads } = valueAndGrads(model, () => {
          const ids = { inputs: timeFirst(batch.inputs), targets: timeFirst(batch.targets) }
          const { loss, state } = nextCharacterLoss(model, ids, carry.value, 'sum')
          carry.put(state as { h: Tensor2D })
          return loss
        })
        if (step === 0)
          for (const [name, g] of grads)
            golden.expectGrad(`step0_unclipped.${name}`, g, golden.precision === 'float64' ? undefined : sums)
        optimizer.step(clipByValue(grads, clip))
        return value
      })
      losses.push((await loss.data())[0]!)
      loss.dispose()
      smooth = 0.999 * smooth + 0.001 * losses.at(-1)!
      smoothLosses.push(smooth)
      hidden.push(...(await carry.value!.h.data()))
    }
    golden.compare('inputs.positions', positions, golden.read('inputs.positions'), { atol: 0 })
    compareRun(golden, { losses, smoothLosses, hidden: { shape: [steps, hidden_size], data: hidden } })
    const { tensors: memory } = optimizer.state()
    for (const [name, parameter] of parameters) {
      await compareFinal(golden, name, parameter, await memory.get(`${name}.sum`)!.data())
    }
  },
})

const timeFirst = (ids: Parameters<typeof idsTensor>[0]) => transpose(idsTensor(ids))

const sums: Loosened = { times: 10, reason: 'float32: sums over 25 steps; held to 1e-6 in double precision' }

interface Measured {
  losses: number[]
  smoothLosses: number[]
  hidden: { shape: number[]; data: number[] }
}

function compareRun(golden: Golden, { losses, smoothLosses, hidden }: Measured): void {
  if (golden.precision === 'float64') {
    golden.expect('losses', losses)
    golden.expect('smooth_losses', smoothLosses)
    golden.expect('h_after_step', hidden)
    return
  }
  const expected = golden.read('outputs.losses').data
  golden.compare('losses[0]', [losses[0]!], [expected[0]!], { rtol: 1e-6 })
  const { losses_max_abs_err: ofLosses, final_weights_max_abs_err: ofWeights } = errors(golden)
  golden.expect('losses', losses, { atol: slack(golden) * ofLosses, reason: CHAOS })
  // each step adds a thousandth of its loss
  const ofSmooth = 0.001 * losses.length * ofLosses
  golden.expect('smooth_losses', smoothLosses, { atol: slack(golden) * ofSmooth, reason: CHAOS })
  const [, H] = hidden.shape as [number, number]
  const first = Array.from(golden.read('outputs.h_after_step').data).slice(0, H)
  golden.compare('h_after_step[0]', hidden.data.slice(0, H), first, { atol: 1e-6 })
  golden.expect('h_after_step', hidden, { atol: Math.min(2, 1000 * ofWeights), reason: CHAOS })
}

async function compareFinal(
  golden: Golden,
  name: string,
  parameter: Parameter,
  memory: ArrayLike<number>,
): Promise<void> {
  const { shape } = parameter
  const data = await parameter.value.data()
  if (golden.precision === 'float64') {
    golden.expect(`final.${name}`, { shape, data })
    golden.expect(`adagrad_memory.${name}`, { shape, data: memory })
    return
  }
  const { final_weights_max_abs_err: ofWeights } = errors(golden)
  const greatest = Math.max(...Array.from(golden.read(`outputs.adagrad_memory.${name}`).data))
  golden.expect(`final.${name}`, { shape, data }, { atol: slack(golden) * ofWeights, reason: CHAOS })
  golden.expect(
    `adagrad_memory.${name}`,
    { shape, data: memory },
    { atol: slack(golden) * ofWeights * greatest, reason: CHAOS },
  )
}

const errors = (golden: Golden) =>
  golden.json.float32_vs_float64_of_the_reference as { losses_max_abs_err: number; final_weights_max_abs_err: number }
