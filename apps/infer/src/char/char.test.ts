import { utimes, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { save } from '@filature/checkpoint'
import { type CharConfig, describeCharModel } from '@filature/recurrent'
import { init, Rng } from '@filature/tensor'
import { trainingFolder } from '@filature/train/node'
import { beforeEach, expect, it, vi } from 'vitest'
import { scratch } from '../__tests__/scratch.ts'

const config: CharConfig = { model_type: 'char_rnn', vocabulary: [...' abcdeé\u{1f9f5}'], hidden_size: 6 }
const model = (seed: number) => init(describeCharModel(config).model, new Rng(seed))
const files = { 'config.json': JSON.stringify(config) }

const test = scratch()
beforeEach(() => void vi.spyOn(process, 'cwd').mockReturnValue(test.folder))
const infer = (...args: string[]) => test.run('char', ...args)

/** One checkpoint, as any trainer may have left it. */
async function checkpoint(seed: number, name = 'model'): Promise<string> {
  const path = join(test.folder, name)
  await save(model(seed), path)
  await writeFile(join(path, 'config.json'), files['config.json'])
  return path
}

it('writes on from a prompt, the same with the same seed', async () => {
  const path = await checkpoint(1)
  const args = ['--model', path, '--prompt', 'bad \u{1f9f5}', '--length', '30']
  const text = await infer(...args, '--seed', '5')
  expect(text.startsWith('bad \u{1f9f5}')).toBe(true)
  expect([...text]).toHaveLength(5 + 30 + 1)
  expect(await infer(...args, '--seed', '5')).toBe(text)
  expect(await infer(...args, '--seed', '6')).not.toBe(text)
  expect(await infer(...args, '--temperature', '0')).toBe(await infer(...args, '--temperature', '0'))
})

it("takes a run's best checkpoint, and the newest run when none is named", async () => {
  const progress = (step: number) => ({
    progress: {
      step,
      rng: { key: [0, 0] as const, position: 0 },
      data: {},
      optimizer: { name: 'SGD', steps: {} },
      smoothedLoss: null,
      best: { step: 1, value: 1 },
    },
    tensors: new Map(),
  })
  const run = join(test.folder, 'runs', 'first')
  const store = trainingFolder(run, { files })
  await store.save(model(1), progress(1))
  await store.save(model(2), progress(2))
  const args = ['--prompt', 'a', '--temperature', '0', '--length', '8']
  const best = await infer('--model', await checkpoint(1, 'best'), ...args)
  expect(await infer('--model', run, ...args)).toBe(best)
  expect(await infer('--model', join(run, 'checkpoint-2'), ...args)).not.toBe(best)

  await trainingFolder(join(test.folder, 'runs', 'second'), { files }).save(model(3), { ...progress(1) })
  await utimes(run, new Date(), new Date(Date.now() - 60_000))
  const third = await infer('--model', await checkpoint(3, 'third'), ...args)
  expect(await infer(...args)).toBe(third)

  // runs of other commands and stray files may be newer
  const other = { 'config.json': JSON.stringify({ model_type: 'vit_pytorch' }) }
  await trainingFolder(join(test.folder, 'runs', 'third'), { files: other }).save(model(4), progress(1))
  await writeFile(join(test.folder, 'runs', 'notes.txt'), 'mine')
  expect(await infer(...args)).toBe(third)
})

it('ends at Ctrl-C, with what was written so far', async () => {
  const args = ['--model', await checkpoint(1), '--prompt', 'a', '--temperature', '0', '--length', '40']
  const whole = await infer(...args)
  test.interruptAt = 4
  const part = await infer(...args)
  expect([...part].length).toBeLessThan(8)
  expect(whole.startsWith(part.trimEnd())).toBe(true)
  expect(process.exitCode).toBe(130)
})

it('refuses what it cannot do, and says what to do', async () => {
  const path = await checkpoint(1)
  await expect(infer()).rejects.toThrow(/no character model in .*runs yet; train one with `filature-train char`/)
  await expect(infer('--model', join(test.folder, 'none'))).rejects.toThrow(/wanted a folder with a checkpoint-N/)
  await expect(infer('--model', path, '--prompt', 'xyz')).rejects.toThrow(/has never seen "x" "y" "z"/)
  await expect(infer('--model', path, '--prompt', '')).rejects.toThrow(/at least one character/)
  const seeded = infer('--model', path, '--temperature', '0', '--seed', '1')
  await expect(seeded).rejects.toThrow(/--seed: at temperature 0 nothing is drawn/)
  await writeFile(join(path, 'config.json'), '{')
  await expect(infer('--model', path)).rejects.toThrow(/config\.json: it cannot be read/)
  await writeFile(join(path, 'config.json'), JSON.stringify({ ...config, hidden_size: 7 }))
  await expect(infer('--model', path)).rejects.toThrow(/Whh/)
})
