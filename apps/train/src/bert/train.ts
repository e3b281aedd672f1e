import { callOf } from '@filature/command-line'
import { parameterCount, Rng } from '@filature/tensor'
import type { Tokenizer, TokenizerJson } from '@filature/tokenizers'
import type { RunResult } from '@filature/train'
import { type BertConfig, BertForPreTraining } from '@filature/transformer'
import { begin } from '../run/begin.ts'
import { carryOut } from '../run/carry-out.ts'
import { exportBest } from '../run/export-best.ts'
import { json, shown } from '../run/folder.ts'
import type { RunOptions } from '../run/options.ts'
import { requireSame, sha256Of } from '../run/same-data.ts'
import { requireBatch, requireDivides } from '../run/shape-rules.ts'
import { say } from '../run/train.ts'
import { brownFolder, readBrown, type Sample, splitSamples } from './brown.ts'
import { evaluateBert } from './evaluate.ts'
import { SentencePairs } from './pairs.ts'
import { type BertSettings, type BertShape, bertConfigOf, startBert, usualShape } from './recipe.ts'
import { encodePlain, learnWords, openWords, tokenizerConfig } from './words.ts'

/** The command line's options, as commander gives them. */
export interface BertOptions extends RunOptions, Partial<BertShape> {
  data?: string
}

export interface BertResult extends RunResult {
  readonly folder: string
  /** The Hugging Face folder with the best weights; absent when the run was stopped. */
  readonly pretrained?: string
}

/** How long a run is when nothing is said. */
export const MINUTES = 10
/** Held-out batches of each test. */
const TESTED = 8

/** `filature-train bert`: pretrains a BERT on the Brown corpus by masked words and next sentences. */
export async function trainBert(options: BertOptions): Promise<BertResult> {
  const begun = await begin<BertSettings>('bert', options, ['data'])
  const shape = begun.shape(usualShape, options)
  requireDivides(shape, 'heads', 'width')
  const data = brownFolder(options.data ?? begun.stored?.data)
  const samples = await readBrown(data)
  const sha256 = sha256Of(JSON.stringify(samples))
  requireSame(begun, sha256, { where: data, flag: 'data' })
  const { train, heldOut } = splitSamples(samples)
  const tokenizerJson = await begun.kept<TokenizerJson>('tokenizer.json', () =>
    learnWords(
      train.flatMap(({ sentences }) => sentences),
      shape.vocab,
    ),
  )
  const tokenizer = openWords(tokenizerJson)
  const config = bertConfigOf(shape, tokenizer.vocabSize)
  const [documents, tested] = [encodeAll(tokenizer, train), encodeAll(tokenizer, heldOut)]
  const { batch, length, mask } = shape
  const rows = {
    batchSize: batch,
    length,
    vocab: config.vocab_size,
    predicted: mask,
    rng: new Rng(begun.seed).fork('test'),
  }
  requireBatch(batch, pairsIn(documents), 'pairs of sentences')
  const pairs = new SentencePairs(tested, { ...rows, batchSize: Math.min(batch, pairsIn(tested)) })
  const batches = Math.min(TESTED, pairs.batchesPerEpoch)
  const files = pretrainedFiles(config, tokenizerJson)

  return await carryOut(begun, {
    name: 'bert-brown',
    own: { ...shape, data, sha256 },
    usual: { minutes: MINUTES },
    start: (settings: BertSettings) => startBert(settings, config, documents),
    describe: ({ model }, { lr, steps, width, layers, heads }) => ({
      Text: `the Brown corpus in ${data} (${count(documents)} tokens to learn from, ${count(tested)} held out)`,
      Model:
        `BERT, ${layers} layers of width ${width}, ${heads} heads, ${config.vocab_size} tokens, ` +
        `${parameterCount(model)} parameters; AdamW, learning rate ${lr}; ${steps} steps of ${batch} x ${length} tokens`,
    }),
    files,
    evaluate: ({ model }) => evaluateBert(model, pairs, batches),
    heldOutInWords: ({ loss, words, pairs }) =>
      `loss ${loss.toFixed(3)}, ${percent(words!)} of the masked tokens and ${percent(pairs!)} of the pairs named right`,
    async finish(_, { folder }) {
      const pretrained = await exportBest(folder, () => new BertForPreTraining(config), files)
      say(`The best of it, as Hugging Face's loaders want it: ${shown(pretrained)}`)
      say(`Fine-tune it:  ${callOf('train')} classify --from ${shown(pretrained)}`)
      return { pretrained }
    },
  })
}

/** Ids of every sentence of every sample. */
const encodeAll = (tokenizer: Tokenizer, samples: readonly Sample[]): number[][][] =>
  samples.map(({ sentences }) => sentences.map((sentence) => encodePlain(tokenizer, sentence)))

/** Sentences that another follows. */
const pairsIn = (documents: number[][][]) => documents.reduce((sum, { length }) => sum + length - 1, 0)
const count = (documents: number[][][]) => documents.flat().reduce((sum, { length }) => sum + length, 0)
const percent = (part: number) => `${(100 * part).toFixed(1)} %`

function pretrainedFiles(config: BertConfig, tokenizer: TokenizerJson): Record<string, string> {
  const published = { architectures: ['BertForPreTraining'], model_type: 'bert', torch_dtype: 'float32' }
  return {
    'config.json': json({ ...published, ...config }),
    'tokenizer.json': json(tokenizer),
    'tokenizer_config.json': json(tokenizerConfig),
  }
}
