import { readFile, stat } from 'node:fs/promises'
import { join } from 'node:path'
import { fileSource, load, openSafetensors } from '@filature/checkpoint'
import { generate } from '@filature/generation'
import { RecurrentSeq2Seq, type RecurrentSeq2SeqConfig } from '@filature/recurrent'
import { CheckpointError, capture, mean, type Tensor, type Tensor2D, tensor, tidy } from '@filature/tensor'
import { HuggingFaceTokenizer } from '@filature/tokenizers'
import { bestCheckpoint } from '@filature/train/node'
import { type Seq2SeqConfig, Seq2SeqTransformer } from '@filature/transformer'

/** config.json as `filature-train translate` writes it. */
type Config =
  | ({ readonly model_type: 'recurrent_seq2seq' } & RecurrentSeq2SeqConfig)
  | ({ readonly model_type: 'seq2seq_transformer' } & Seq2SeqConfig)

export interface Translation {
  readonly text: string
  /** Tokens said, the end among them, and tokens read. */
  readonly target: readonly string[]
  readonly source: readonly string[]
  /** Where each token looked: (target, source), undefined of a model without attention. */
  readonly alignment: readonly (readonly number[])[] | undefined
}

export interface Translator extends Disposable {
  readonly where: string
  /** False of a model without attention: it has no alignment to show. */
  readonly aligns: boolean
  translate(text: string, options: { beams: number; maxTokens?: number }): Promise<Translation>
}

/** A translator with its weights, from a folder of checkpoints (its best one) or from one checkpoint. */
export async function openTranslator(folder: string): Promise<Translator> {
  const isCheckpoint = await stat(join(folder, 'model.safetensors')).then(
    () => true,
    () => false,
  )
  const where = isCheckpoint ? folder : await bestCheckpoint(folder)
  const [config, json] = await Promise.all([
    read<Config>(join(where, 'config.json')),
    read(join(where, 'tokenizer.json')),
  ])
  const tokenizer = new HuggingFaceTokenizer(json as never)
  const model = modelOf(config, join(where, 'config.json'))
  await using weights = await openSafetensors(await fileSource(join(where, 'model.safetensors')))
  await load(model, weights)
  const id = (token: string) => {
    const found = tokenizer.tokenToId(token)
    if (found === undefined)
      throw new CheckpointError('translator-tokens', `${where}: its tokenizer.json has no token ${token}.`)
    return found
  }
  const [start, end, pad] = [id('<s>'), id('</s>'), id('<pad>')]
  const attention = alignmentTap(model)
  // learned positions end; the start token takes one
  const places =
    config.model_type === 'seq2seq_transformer' && config.positions === 'learned' ? config.max_positions : undefined
  const most = places === undefined ? Number.POSITIVE_INFINITY : places - 1

  return {
    where,
    aligns: attention !== undefined,
    async translate(text, { beams, maxTokens }) {
      const source = [...tokenizer.encode(text, { parseSpecialTokens: false, addSpecialTokens: false }).ids, end]
      const ids = tidy(() => tensor(Int32Array.from(source), [1, source.length], 'int32') as Tensor2D)
      try {
        const options = {
          eosIds: end,
          padId: pad,
          suppressIds: [pad, start],
          maxNewTokens: Math.min(maxTokens ?? 2 * source.length + 5, most),
          numBeams: beams,
        }
        const { rows } =
          model instanceof RecurrentSeq2Seq
            ? await generate(model, { source: { ids }, start }, options)
            : await generate(model, { source: ids, start }, options)
        const said = [...rows[0]!.ids]
        const name = (token: number) => (token === end ? '</s>' : tokenizer.decode([token]))
        return {
          text: tokenizer.decode(said, { skipSpecialTokens: true }).trim(),
          target: said.map(name),
          source: source.map(name),
          alignment:
            attention === undefined
              ? undefined
              : await readAlignment(model, attention, ids, [start, ...said.slice(0, -1)]),
        }
      } finally {
        ids.dispose()
      }
    },
    [Symbol.dispose]() {
      model[Symbol.dispose]()
    },
  }
}

function modelOf(config: Config, file: string): RecurrentSeq2Seq | Seq2SeqTransformer {
  const { model_type, ...rest } = config
  if (model_type === 'recurrent_seq2seq') return new RecurrentSeq2Seq(rest as RecurrentSeq2SeqConfig)
  if (model_type === 'seq2seq_transformer') return new Seq2SeqTransformer(rest as Seq2SeqConfig)
  throw new CheckpointError(
    'translator-type',
    `${file}: wanted a model_type that filature-train translate makes (recurrent_seq2seq, seq2seq_transformer), got ${model_type}.`,
  )
}

/** Where a model shows what it looks at: its alignment, or the last layer's cross-attention. */
function alignmentTap(model: RecurrentSeq2Seq | Seq2SeqTransformer): string | undefined {
  if (model instanceof RecurrentSeq2Seq) return model.decoder.attention ? 'decoder.alignment' : undefined
  return `transformer.decoder.layers.${model.transformer.decoder.layers.length - 1}.multihead_attn.pattern`
}

/** The words said once more, with the pattern held: (T, S); heads are averaged. */
async function readAlignment(
  model: RecurrentSeq2Seq | Seq2SeqTransformer,
  tap: string,
  source: Tensor2D,
  target: readonly number[],
): Promise<number[][]> {
  const run = () =>
    tidy(() => {
      const ids = tensor(Int32Array.from(target), [1, target.length], 'int32') as Tensor2D
      if (model instanceof RecurrentSeq2Seq) model.states(ids, model.encode({ ids: source }))
      else model.states(ids, model.encode(source))
    })
  using seen = capture(model, tap, run)
  const pattern = seen.activations.get(tap)! // (1, T, S), or (1, H, T, S)
  const averaged = tidy((): Tensor => (pattern.rank === 4 ? mean(pattern, 1) : mean(pattern, 0, true)))
  const values = await averaged.data()
  averaged.dispose()
  const S = source.shape[1]
  return target.map((_, t) => Array.from(values.subarray(t * S, (t + 1) * S)))
}

async function read<T>(file: string): Promise<T> {
  try {
    return JSON.parse(await readFile(file, 'utf8'))
  } catch (error) {
    throw new CheckpointError('translator-file', `${file}: it cannot be read (${(error as Error).message}).`)
  }
}
