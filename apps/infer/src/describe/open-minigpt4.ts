import { load } from '@filature/checkpoint'
import { Llama, type LlamaConfig } from '@filature/llama'
import { MiniGPT4 } from '@filature/minigpt4'
import { QFormer, type QFormerConfig } from '@filature/qformer'
import { ConfigError } from '@filature/tensor'
import { loadTokenizer, type Tokenizer } from '@filature/tokenizers'
import { EvaViT, type EvaViTConfig, type Size } from '@filature/vision'
import { openModel } from '../open-model.ts'

/** config.json of a model that `filature-train caption` saves. */
interface MiniGPT4Config {
  readonly model_type: string
  readonly vision: EvaViTConfig
  readonly qformer?: QFormerConfig
  readonly llama: LlamaConfig
  readonly prompt: string
  readonly end_symbol: string
}

export interface OpenMiniGPT4 {
  readonly name: string
  readonly model: MiniGPT4
  readonly tokenizer: Tokenizer
  /** The prompt that it was trained with. */
  readonly prompt: string
  /** Side of the pictures that it sees. */
  readonly imageSize: Size
}

/** What a run's checkpoints have beside the model. */
const headsOfTraining = /^(words|mark)_of_/

/** From a model's folder, or from a run: its `model`, or while it is not finished its best checkpoint. */
export async function openMiniGPT4(target: string): Promise<OpenMiniGPT4> {
  await using files = await openModel(target)
  const config = files.config as unknown as MiniGPT4Config
  if (config.model_type !== 'minigpt4') {
    throw new ConfigError(
      'describe-model',
      `--model ${target}: wanted a model of type minigpt4, its config.json says ${config.model_type}; ` +
        'train one with filature-train caption.',
    )
  }
  const tokenizer = await loadTokenizer((name) => files.bytes(name))
  const { bos, eos, pad } = tokenizer.special
  if (bos === undefined || eos === undefined || pad === undefined) {
    throw new ConfigError('describe-tokenizer', `${files.name}: wanted a tokenizer with bos, eos and pad tokens.`)
  }
  const codec = {
    encode: (text: string) => tokenizer.encode(text, { addSpecialTokens: false }).ids,
    decode: (ids: readonly number[]) => tokenizer.decode(ids, { skipSpecialTokens: true }),
    bosId: bos,
    bosToken: tokenizer.idToToken(bos)!,
    eosId: eos,
    padId: pad,
  }
  const vision = new EvaViT(config.vision)
  const qformer = config.qformer && new QFormer(config.qformer)
  const parts = { vision, qformer, llama: new Llama(config.llama), codec }
  const model = new MiniGPT4(parts, { endSymbol: config.end_symbol })
  await load(model, files.checkpoint, { leaveOut: headsOfTraining })
  return { name: files.name, model, tokenizer, prompt: config.prompt, imageSize: config.vision.img_size ?? 224 }
}
