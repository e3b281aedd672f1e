import { readFile } from 'node:fs/promises'
import { activate, type BackendOptions, numberWithin, wholeNumber, withBackend } from '@filature/command-line'
import type { GenerateOptions } from '@filature/generation'
import { ConfigError, dispose } from '@filature/tensor'
import { decodeImage, preprocessBatch } from '@filature/vision'
import { Command } from 'commander'
import { drawingOf } from '../drawing.ts'
import { interruptible } from '../interrupt.ts'
import { type OpenMiniGPT4, openMiniGPT4 } from './open-minigpt4.ts'

interface DescribeOptions extends BackendOptions {
  model: string
  prompt?: string
  maxNewTokens: number
  temperature: number
  beams: number
  seed?: number
}

/** `filature-infer describe` */
export function describeCommand(): Command {
  const command = new Command('describe')
    .description('Say what a picture shows, streaming; Ctrl-C ends the text.')
    .argument('<image>', 'PNG, JPEG, WebP, GIF, AVIF or TIFF')
    .requiredOption('--model <dir>', 'folder of a model, or of a run of filature-train caption')
    .option('--prompt <text>', 'with <ImageHere> where the picture goes (default: what the model was trained with)')
    .option('--max-new-tokens <n>', 'tokens to write at most', wholeNumber(1), 40)
    .option('--temperature <t>', '0: the likeliest token', numberWithin(0, 100), 0)
    .option('--beams <n>', 'more than 1: beam search; the text comes at the end', wholeNumber(1), 1)
    .option('--seed <n>', 'of the draws (default: another each time)', wholeNumber(0))
  return withBackend(command).action(describe)
}

async function describe(path: string, options: DescribeOptions): Promise<void> {
  const bytes = await readFile(path).catch((error: NodeJS.ErrnoException) => {
    const what = error.code === 'ENOENT' ? 'there is no such file' : error.message
    throw new ConfigError('describe-image', `${path}: ${what}.`)
  })
  const picture = await decodeImage(bytes).catch((error) => {
    throw error instanceof ConfigError
      ? new ConfigError(error.code, `${path}: ${error.message}`, { cause: error })
      : error
  })
  await activate(options)
  const opened = await openMiniGPT4(options.model)
  const image = preprocessBatch([picture], { size: opened.imageSize }) // (1, 3, h, w)
  try {
    const prompts = [options.prompt ?? opened.prompt]
    await interruptible(async (signal) => {
      try {
        await say(opened, { prompts, image }, { ...settingsOf(opened, options), signal })
      } catch (error) {
        if (!signal.aborted) throw error
        process.exitCode = 130
      }
    })
    process.stdout.write('\n')
  } finally {
    dispose(image)
    opened.model[Symbol.dispose]()
  }
}

function settingsOf(
  { tokenizer }: OpenMiniGPT4,
  { maxNewTokens, temperature, beams, seed }: DescribeOptions,
): GenerateOptions {
  return {
    maxNewTokens,
    text: () => tokenizer.decodeStream({ skipSpecialTokens: true }),
    ...drawingOf({ temperature, beams, seed }),
  }
}

async function say(
  { model }: OpenMiniGPT4,
  question: Parameters<OpenMiniGPT4['model']['answer']>[0],
  settings: GenerateOptions,
): Promise<void> {
  if ((settings.numBeams ?? 1) > 1) {
    const { rows } = await model.answer(question, settings)
    process.stdout.write(rows[0]!.text ?? '')
    return
  }
  for await (const step of model.answerStream(question, settings)) process.stdout.write(step.text![0]!)
}
