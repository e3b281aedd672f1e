import { adapter, type Golden, type Outputs } from '@filature/goldens'
import {
  capture,
  isParameter,
  type Module,
  type Parameter,
  squeeze,
  type Tensor,
  type Tensor2D,
  type Tensor3D,
  tidy,
} from '@filature/tensor'
import {
  AdditiveScore,
  AttentionalState,
  ConcatScore,
  type ContextAttention,
  DotScore,
  GeneralScore,
  HiddenPooling,
  LinearPooling,
  LocalAttention,
  type Score,
  SoftAttention,
} from '../src/index.ts'

/** Runs `fn` with the case's inputs standing in for parameters, so that the inputs get the gradients. */
function withInputs<T>(golden: Golden, parts: Module[], fn: () => T): T {
  return parts
    .flatMap((part) => Object.entries(part) as [string, Parameter][])
    .filter(([name, leaf]) => isParameter(leaf) && golden.has(`inputs.${name}`))
    .reduce<() => T>(
      (inner, [name, parameter]) =>
        () =>
          parameter.substitute(golden.input(name), inner),
      fn,
    )()
}

/** Compares what `names` maps taps of `module` to, under the outputs of `at`. */
function expectTaps(
  golden: Golden,
  module: Module,
  names: Record<string, string>,
  fn: () => Tensor,
  shape = (x: Tensor) => x,
): void {
  tidy(() => {
    using seen = capture(module, Object.keys(names), fn)
    for (const [path, x] of seen.activations) golden.expect(names[path]!, shape(x))
  })
}

export const additive = adapter({
  cases: ['additive_attention_bahdanau'],
  run: async (golden) => {
    const query = golden.input<Tensor3D>('query')
    const keys = golden.input<Tensor3D>('keys')
    const hidden = golden.input('W_a').shape[0]!
    const score = new AdditiveScore({ query: query.shape[2], memory: keys.shape[2], hidden })
    const attention = new SoftAttention(score)
    const run = () =>
      withInputs(golden, [score], () => attention.forward(query, keys, { keep: golden.input<Tensor2D>('key_keep') }))
    expectTaps(golden, attention, { scores: 'scores', pattern: 'attn' }, run)
    await golden.differentiate({ forward: () => ({ context: run() }) })
  },
})

export const luongGlobal = adapter({
  cases: ['luong_global'],
  run: async (golden) => {
    const query = golden.input<Tensor3D>('h_t')
    const memory = golden.input<Tensor3D>('h_s')
    const sizes = { query: query.shape[2], memory: memory.shape[2], hidden: golden.input('v_concat').shape[0]! }
    const scores: Record<string, Score> = {
      dot: new DotScore(),
      general: new GeneralScore(sizes),
      concat: new ConcatScore(sizes),
    }
    const state = new AttentionalState(sizes)
    const inputs = { keep: golden.input<Tensor2D>('key_keep') }
    const attend = (attention: ContextAttention) =>
      withInputs(golden, [attention.score], () => attention.forward(query, memory, inputs))
    for (const [name, score] of Object.entries(scores)) {
      const attention = new SoftAttention(score)
      expectTaps(golden, attention, { pattern: `${name}.attn` }, () => attend(attention))
    }
    await golden.differentiate({
      forward: () =>
        Object.fromEntries(
          Object.entries(scores).map(([name, score]): [string, Outputs] => {
            const context = attend(new SoftAttention(score))
            return [name, { context, h_tilde: withInputs(golden, [state], () => state.forward(context, query)) }]
          }),
        ),
    })
  },
})

export const luongLocal = adapter({
  cases: ['luong_local'],
  run: async (golden) => {
    const query = golden.input<Tensor3D>('h_t')
    const memory = golden.input<Tensor3D>('h_s')
    const sizes = { query: query.shape[2], memory: memory.shape[2], hidden: golden.input('v_p').shape[0]! }
    const window: number = golden.config.D
    const kinds = {
      local_m: new LocalAttention(new GeneralScore(sizes), { window }),
      local_p: new LocalAttention(new GeneralScore(sizes), { window, predictive: sizes }),
    }
    const inputs = { keep: golden.input<Tensor2D>('key_keep') }
    const attend = (attention: LocalAttention) =>
      withInputs(golden, [attention, attention.score], () => attention.forward(query, memory, inputs))
    expectTaps(golden, kinds.local_m, { pattern: 'local_m.attn' }, () => attend(kinds.local_m))
    const predicted = { pattern: 'local_p.attn', align: 'local_p.align', position: 'local_p.p_t' }
    expectTaps(golden, kinds.local_p, predicted, () => attend(kinds.local_p))
    await golden.differentiate({
      forward: () => Object.fromEntries(Object.entries(kinds).map(([name, kind]) => [name, { context: attend(kind) }])),
    })
  },
})

export const pooling = adapter({
  cases: ['attention_pooling'],
  run: async (golden) => {
    const x = golden.input<Tensor3D>('x')
    const kinds = {
      linear: new LinearPooling(x.shape[2]),
      mlp: new HiddenPooling(x.shape[2], golden.input('u').shape[0]!),
    }
    const pool = (kind: LinearPooling | HiddenPooling) =>
      withInputs(golden, [kind], () => kind.forward(x, golden.input<Tensor2D>('keep')))
    for (const [name, kind] of Object.entries(kinds)) {
      expectTaps(
        golden,
        kind,
        { pattern: `${name}.attn` },
        () => pool(kind),
        (p) => squeeze(p, [1]),
      )
    }
    await golden.differentiate({
      forward: () => Object.fromEntries(Object.entries(kinds).map(([name, kind]) => [name, { out: pool(kind) }])),
    })
  },
})
