import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { activate, type BackendOptions, describeBackend, wholeNumber, withBackend } from '@filature/command-line'
import { ConfigError } from '@filature/tensor'
import { Command } from 'commander'
import { prepareFolder } from '../output-file.ts'
import { drawHeatMaps } from '../plot/heat-map.ts'
import { openBert } from './open-bert.ts'
import { type BertReading, readWithBert } from './read.ts'

interface BertOptions extends BackendOptions {
  model: string
  out?: string
  top?: number
}

const TOP = 5

/** `filature-infer bert` */
export function bertCommand(): Command {
  const command = new Command('bert')
    .description('Name the masked words of a text with a BERT, and draw what every head of every layer looked at.')
    .argument('<text>', 'a text with [MASK] in place of words')
    .requiredOption('--model <dir>', 'Hugging Face folder or hub id of a BERT, or a run of filature-train bert')
    .option('--out <dir>', 'folder for the attention maps: layer-0.svg, layer-1.svg, ..., heads side by side')
    .option('--top <n>', `likeliest tokens to show for each mask (default: ${TOP})`, wholeNumber(1))
  return withBackend(command).action(look)
}

async function look(text: string, options: BertOptions): Promise<void> {
  if (text.trim() === '') throw new ConfigError('text', 'bert: wanted a text, got nothing.')
  const backend = await activate(options)
  using opened = await openBert(options.model)
  const mask = opened.tokenizer.idToToken(opened.special.mask)!
  if (options.top !== undefined && !text.includes(mask)) {
    throw new ConfigError('bert-top', `--top: there is no ${mask} in the text to show tokens for; leave it out.`)
  }
  if (options.out === undefined && !text.includes(mask)) {
    throw new ConfigError(
      'bert-nothing',
      `bert: there is no ${mask} in the text; put one in place of a word, or give --out to draw what the model looks at.`,
    )
  }
  process.stderr.write(`${opened.name} on ${describeBackend(backend)}\n`)
  if (options.out !== undefined) await prepareFolder('--out', options.out)
  const reading = await readWithBert(opened, text, options.top ?? TOP)
  if (reading.masks.length) console.log(`${reading.filled}\n`)
  reading.masks.forEach((candidates, i) => {
    if (reading.masks.length > 1) console.log(`${mask} ${i + 1}`)
    for (const { token, probability } of candidates) {
      console.log(`${(100 * probability).toFixed(2).padStart(6)} %   ${token}`)
    }
  })
  if (options.out !== undefined) await draw(reading, options.out)
}

async function draw({ tokens, attention }: BertReading, folder: string): Promise<void> {
  for (const [layer, heads] of attention.entries()) {
    const maps = heads.map((values, head) => ({ title: `Head ${head}`, rows: tokens, columns: tokens, values }))
    const title = `Layer ${layer}: where each token (row) looked`
    await writeFile(join(folder, `layer-${layer}.svg`), drawHeatMaps(title, maps))
  }
  process.stderr.write(`Drawn in ${join(folder, 'layer-0.svg')} to layer-${attention.length - 1}.svg.\n`)
}
