import { writeFile } from 'node:fs/promises'
import { activate, type BackendOptions, wholeNumber, withBackend } from '@filature/command-line'
import { ConfigError } from '@filature/tensor'
import { Command } from 'commander'
import { prepareFile } from '../output-file.ts'
import { drawHeatMap } from '../plot/heat-map.ts'
import { openTranslator } from './open-translator.ts'

interface TranslateOptions extends BackendOptions {
  model: string
  beams: number
  maxTokens?: number
  alignment?: string
}

/** `filature-infer translate` */
export function translateCommand(): Command {
  const command = new Command('translate')
    .description('Translate a sentence, and draw where each word of the translation looked.')
    .argument('<text>', 'the sentence')
    .requiredOption('--model <dir>', 'folder of a run of filature-train translate, or of one checkpoint')
    .option('--beams <n>', 'hypotheses kept at each word; 1 is greedy', wholeNumber(1), 4)
    .option('--max-tokens <n>', 'most tokens to write (default: twice those read, and 5)', wholeNumber(1))
    .option('--alignment <file>', 'draw the attention from words to words into an SVG file')
  return withBackend(command).action(translate)
}

async function translate(text: string, options: TranslateOptions): Promise<void> {
  if (text.trim() === '') throw new ConfigError('text', 'translate: wanted a sentence, got nothing.')
  await activate(options)
  using translator = await openTranslator(options.model)
  const { beams, maxTokens, alignment: picture } = options
  if (picture !== undefined) {
    if (!translator.aligns) {
      throw new ConfigError('no-alignment', `--alignment: the model in ${translator.where} has no attention to draw.`)
    }
    await prepareFile('--alignment', picture)
  }
  const settings = { beams, ...(maxTokens === undefined ? {} : { maxTokens }) }
  const { text: said, source, target, alignment } = await translator.translate(text, settings)
  console.log(said)
  if (picture === undefined || alignment === undefined) return
  const visible = (tokens: readonly string[]) => tokens.map((token) => token.replaceAll(' ', '·'))
  const map = { title: 'Where each word looked', rows: visible(target), columns: visible(source), values: alignment }
  await writeFile(picture, drawHeatMap(map))
  console.error(`Drawn in ${picture}.`)
}
