import { adapter, type Golden } from '@filature/goldens'
import { capture, Dialect, type FileTensor, observe, type Tensor2D, tensor, tidy } from '@filature/tensor'
import { GPT2LMHeadModel, GPT2MLP } from '@filature/transformer'
import {
  agreement,
  type Corpus,
  corpusStatistics,
  findMemories,
  findTriggers,
  type LayerStatistics,
  type MemoryModel,
  type ReadValues,
  readValues,
  type Triggers,
  truncateTriggers,
} from '../src/index.ts'

/** GPT-2 as key-value memories: value i is row i of `mlp.c_proj.weight`. */
function lensOf(model: GPT2LMHeadModel): MemoryModel {
  return {
    model,
    layers: findMemories(model, GPT2MLP, (mlp) => mlp.c_proj.weight.value as Tensor2D),
    unembedding: () => model.lm_head.weight.value as Tensor2D,
    logits: (ids) => model.logits({ ids }),
  }
}

/** Biases that the file leaves out, as zeros. */
function zeroBiases(layers: number, width: number): Dialect {
  const names = Array.from({ length: layers }, (_, i) => `transformer.h.${i}.attn.c_attn.bias`)
  const zeros: FileTensor = { dtype: 'F32', shape: [width], read: async () => new Float32Array(width) }
  return new Dialect('GPT-2, c_attn.bias not stored', [
    {
      toOurs: (table) => new Map([...table, ...names.map((name): [string, FileTensor] => [name, zeros])]),
      toTheirs: (table) => new Map([...table].filter(([name]) => !names.includes(name))),
    },
  ])
}

function corpusOf(golden: Golden): Corpus {
  const { shape, data } = golden.read('inputs.corpus')
  const [, T] = shape as [number, number]
  const lengths = Array.from(golden.read('inputs.lengths').data)
  return lengths.map((length, n) => Array.from({ length }, (_, t) => data[n * T + t]!))
}

/** Numbers by layer, key and place, -1 (or 0) where a key has fewer. */
function table(
  triggers: Triggers,
  width: number,
  pick: (t: Triggers[number][number][number]) => number,
  empty: number,
) {
  const data = triggers.flatMap((keys) =>
    keys.flatMap((list) => Array.from({ length: width }, (_, i) => (list[i] ? pick(list[i]) : empty))),
  )
  return { shape: [triggers.length, triggers[0]!.length, width], data }
}

interface Case {
  golden: Golden
  lens: MemoryModel
  corpus: Corpus
  values: ReadValues[]
  /** Whether the file holds all weights, so that the model runs as the reference's did. */
  whole: boolean
}

async function compareTriggers({ golden, lens, corpus, values, whole }: Case, name: string) {
  const { top_k: topK } = golden.config
  const triggers = await findTriggers(lens, corpus, {
    topK,
    perSentence: name === 'trigger_per_sentence',
    batchSize: 4,
  })
  const agreed = agreement(triggers, values)
  const byKey = (rows: ArrayLike<number>[]) => ({
    shape: [rows.length, rows[0]!.length],
    data: rows.flatMap((row) => Array.from(row)),
  })
  golden.expect(name, {
    sentence: table(triggers, topK, (t) => t.sentence, -1),
    position: table(triggers, topK, (t) => t.position, -1),
    coefficient: table(triggers, topK, (t) => t.coefficient, 0),
    next_tokens: table(triggers, topK, (t) => t.nextToken, -1),
    next_token: byKey(triggers.map((keys) => keys.map((list) => list[0]?.nextToken ?? -1))),
    next_token_rank: byKey(agreed.map((a) => a.nextTokenRank)),
    topk_match_count: byKey(agreed.map((a) => a.matches)),
    agrees: byKey(agreed.map((a) => a.agrees.map(Number))),
    agreement_rate: agreed.map((a) => a.rate),
  })
  if (!whole) return
  const cut = await truncateTriggers(lens, corpus, triggers)
  golden.expect(`${name}.coefficient_without_first`, byKey(cut.map((c) => c.withoutFirst)))
  golden.expect(`${name}.coefficient_without_last`, byKey(cut.map((c) => c.withoutLast)))
}

/** The statistics of stream and layers, for which the model itself must run. */
async function compareStatistics({ golden, lens, corpus, values }: Case) {
  const [N, T] = golden.read('inputs.corpus').shape as [number, number]
  const L = values.length
  const cells = (pick: (cell: number, inside: boolean) => number) =>
    Array.from({ length: N * T }, (_, cell) => pick(cell, cell % T < corpus[Math.floor(cell / T)]!.length))
  const stats = await corpusStatistics(lens, corpus, values, { batchSize: 3 })
  const grid = (pick: (layer: LayerStatistics) => ArrayLike<number>) => ({
    shape: [L, N, T],
    data: stats.layers.flatMap((layer) => Array.from(pick(layer))),
  })
  const rates = (pick: (layer: LayerStatistics) => number) => stats.layers.map(pick)
  const none = (matching: Int32Array) => cells((i, inside) => Number(inside && matching[i] === 0))
  golden.expect('top_final', { shape: [N, T], data: stats.topFinal })
  golden.expect(
    'active_count',
    grid((s) => s.activeCount),
  )
  golden.expect(
    'active_fraction',
    rates((s) => s.activeFraction),
  )
  golden.expect(
    'active_mean',
    rates((s) => s.activeMean),
  )
  golden.expect(
    'top_residual',
    grid((s) => s.topResidual),
  )
  golden.expect(
    'top_ffn',
    grid((s) => s.topFfn),
  )
  golden.expect(
    'top_layer_output',
    grid((s) => s.topOutput),
  )
  golden.expect(
    'matching_active_memories_ffn',
    grid((s) => s.matchingFfn),
  )
  golden.expect(
    'matching_active_memories_layer_output',
    grid((s) => s.matchingOutput),
  )
  golden.expect(
    'differs_from_all_active_ffn',
    grid((s) => none(s.matchingFfn)),
  )
  golden.expect(
    'differs_from_all_active_layer_output',
    grid((s) => none(s.matchingOutput)),
  )
  golden.expect(
    'differs_from_all_active_rate_ffn',
    rates((s) => s.composedRateFfn),
  )
  golden.expect(
    'differs_from_all_active_rate_layer_output',
    rates((s) => s.composedRateOutput),
  )
  golden.expect(
    'residual_match_rate',
    rates((s) => s.residualMatchRate),
  )
  golden.expect(
    'layer_output_match_rate',
    rates((s) => s.outputMatchRate),
  )
  golden.expect(
    'residual_final_token_prob',
    grid((s) => s.residualFinalProbability),
  )
  golden.expect(
    'residual_final_token_prob_mean',
    rates((s) => s.residualFinalProbabilityMean),
  )
  golden.expect(
    'split_category',
    grid((s) => s.split),
  )
  golden.expect('split_rate', { shape: [L, 4], data: stats.layers.flatMap((s) => s.splitRates) })
}

/** Activations and logits of the whole corpus in one pass; entries behind a sentence's end are 0 in the file. */
function compareActivations({ golden, lens, corpus, values }: Case) {
  const ids = golden.input<Tensor2D>('corpus')
  const [N, T] = ids.shape
  const F = values[0]!.argmax.length
  const inside = (data: ArrayLike<number>, width: number) =>
    Array.from(data, (x, i) => {
      const position = Math.floor(i / width)
      return position % T < corpus[Math.floor(position / T) % N]!.length ? x : 0
    })
  using seen = capture(lens.model, ['**.pre', '**.memory'], () => tidy(() => lens.logits(ids)))
  const site = (end: string) => ({
    shape: [values.length, N, T, F],
    data: [...seen.activations].filter(([path]) => path.endsWith(end)).flatMap(([, x]) => inside(x.dataSync(), F)),
  })
  golden.expect('pre_activations', site('.pre'))
  golden.expect('coefficients', site('.memory'))
  const V = seen.output.shape[2]!
  golden.expect('logits', { shape: [N, T, V], data: inside(seen.output.dataSync(), V) })
  seen.output.dispose()
}

const NOT_STORED =
  'the file leaves out attn.c_attn.bias, which the reference had, so that its stream cannot be computed'

/** The model with the file's own activations in place of those that depend on the biases that it leaves out. */
function withStoredActivations(golden: Golden, lens: MemoryModel): MemoryModel {
  const [, N, T, F] = golden.read('outputs.coefficients').shape as [number, number, number, number]
  const stored = (name: string) => golden.read(`outputs.${name}`).data
  let first = 0
  return {
    ...lens,
    logits: (ids) => {
      const [B, width] = ids.shape
      const put = (data: ArrayLike<number>, layer: number) => () => {
        const at = (i: number) => {
          const [row, t, key] = [Math.floor(i / F / width), Math.floor(i / F) % width, i % F]
          return data[((layer * N + first + row) * T + t) * F + key]!
        }
        return tensor(
          Float32Array.from({ length: B * width * F }, (_, i) => at(i)),
          [B, width, F],
        )
      }
      const edits = lens.layers.flatMap(({ pre, memory }, layer) => [
        [pre!, put(stored('pre_activations'), layer)] as const,
        [memory, put(stored('coefficients'), layer)] as const,
      ])
      const logits = observe(lens.model, Object.fromEntries(edits), () => lens.logits(ids))
      first = (first + B) % N
      return logits
    },
  }
}

export const adapters = [
  adapter({
    cases: ['ff_memories_relu', 'ff_memories_gelu'],
    model: ({ config }) => new GPT2LMHeadModel(config),
    dialect: (golden) => (hasBiases(golden) ? undefined : zeroBiases(golden.config.n_layer, 3 * golden.config.n_embd)),
    run: async (golden, model) => {
      const whole = hasBiases(golden)
      const lens = lensOf(model)
      const values = await readValues(lens)
      const byKey = (pick: (v: ReadValues) => ArrayLike<number>) => ({
        shape: [values.length, values[0]!.argmax.length],
        data: values.flatMap((v) => Array.from(pick(v))),
      })
      golden.expect(
        'value_argmax',
        byKey((v) => v.argmax),
      )
      golden.expect(
        'value_max_prob',
        byKey((v) => v.maxProbability),
      )
      const it: Case = { golden, lens, corpus: corpusOf(golden), values, whole }
      if (whole) {
        await compareStatistics(it)
        compareActivations(it)
      } else {
        it.lens = withStoredActivations(golden, lens)
        await compareActive(it)
        golden.ignore(
          /^outputs\.(top_|logits|matching|differs|residual|layer_output|split|pre_activations|coefficients|.*coefficient_without)/,
          NOT_STORED,
        )
      }
      await compareTriggers(it, 'trigger_all')
      await compareTriggers(it, 'trigger_per_sentence')
    },
  }),
]

const hasBiases = (golden: Golden) => golden.has('weights.transformer.h.0.attn.c_attn.bias')

/** What the coefficients alone decide. */
async function compareActive({ golden, lens, corpus, values }: Case) {
  const { layers } = await corpusStatistics(lens, corpus, values, { batchSize: 3 })
  const [N, T] = golden.read('inputs.corpus').shape as [number, number]
  golden.expect('active_count', {
    shape: [layers.length, N, T],
    data: layers.flatMap((s) => Array.from(s.activeCount)),
  })
  golden.expect(
    'active_fraction',
    layers.map((s) => s.activeFraction),
  )
  golden.expect(
    'active_mean',
    layers.map((s) => s.activeMean),
  )
}
