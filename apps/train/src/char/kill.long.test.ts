// Kills a training run 50 times at random moments. Budget: 5 minutes on two cores, 12 on busy ones.
import { mkdtemp, readdir, readFile, rm, stat, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as wait } from 'node:timers/promises'
import { openCheckpoint } from '@filature/checkpoint'
import { Rng } from '@filature/tensor'
import { newestCheckpoint } from '@filature/train/node'
import { expect, it } from 'vitest'
import { run } from '../__tests__/command-line.ts'
import { novel } from '../text/read.ts'

const KILLS = 50
const STEPS = 1200
/** Native where it is built, else wasm; threads fixed, as bit for bit wants. */
const backend = ['--backend', 'native,wasm', '--threads', '2']
const shape = [
  '--hidden',
  '32',
  '--embedding',
  '16',
  '--batch',
  '4',
  '--length',
  '16',
  '--layers',
  '2',
  '--dropout',
  '0.2',
]

/** Every number of the newest checkpoint, and where the run stands. */
async function contents(folder: string) {
  const checkpoint = (await newestCheckpoint(folder))!
  const tensors: Record<string, string> = {}
  let progress: unknown
  for (const file of ['model.safetensors', 'training.safetensors']) {
    await using table = await openCheckpoint(join(checkpoint, file))
    for (const name of table.names()) {
      const values = (await table.read(name)) as Float32Array
      tensors[`${file}:${name}`] = Buffer.from(values.buffer, values.byteOffset, values.byteLength).toString('base64')
    }
    if (table.metadata.has('progress')) progress = JSON.parse(table.metadata.get('progress') as string)
  }
  return { tensors, progress: progress as { step: number; data: unknown; smoothedLoss: number } }
}

it(`a run killed ${KILLS} times ends as one that was left alone, and its checkpoint is never broken`, async () => {
  const folder = await mkdtemp(join(tmpdir(), 'filature-kill-'))
  const [killed, alone, text] = ['killed', 'alone', 'text'].map((name) => join(folder, name)) as [
    string,
    string,
    string,
  ]
  await writeFile(text, (await readFile(novel, 'utf8')).slice(0, 30_000))
  const fresh = (out: string) => ['char', '--text', text, '--out', out, '--steps', String(STEPS), ...backend, ...shape]
  const rng = new Rng(Date.now())
  const during: string[] = []
  let last = -1
  try {
    for (let n = 0; n < KILLS; n++) {
      const again = (await newestCheckpoint(killed).catch(() => undefined)) !== undefined
      const args = again ? ['char', '--resume', killed, ...backend] : [...fresh(killed), '--save-every', '1']
      const life = run(args)
      // One in five dies while starting, the others while stepping and saving.
      if (rng.next() < 0.2) await wait(rng.next() * 2000)
      else {
        await life.seen(again ? 'Going on after step' : 'Saves to')
        await wait(rng.next() * 500)
      }
      life.child.kill('SIGKILL')
      expect(await life.ended, life.output()).toBe('SIGKILL')

      const left = await readdir(killed).catch(() => [])
      during.push(left.some((name) => name.endsWith('.tmp')) ? 'saving' : 'between')
      if (!(await stat(killed).catch(() => undefined)) || !(await newestCheckpoint(killed))) continue
      const { progress } = await contents(killed) // opens and reads every tensor: it throws if anything is broken
      expect(progress.step).toBeGreaterThanOrEqual(last)
      last = progress.step
    }
    const reached = last
    expect(reached).toBeLessThan(STEPS)
    const end = run(['char', '--resume', killed, ...backend])
    expect(await end.ended, end.output()).toBe(0)
    const whole = run(fresh(alone))
    expect(await whole.ended, whole.output()).toBe(0)

    const [a, b] = [await contents(killed), await contents(alone)]
    expect(a.progress).toMatchObject({ step: STEPS, data: b.progress.data, smoothedLoss: b.progress.smoothedLoss })
    expect(Object.keys(a.tensors).sort()).toEqual(Object.keys(b.tensors).sort())
    for (const [name, values] of Object.entries(a.tensors)) expect(values, name).toBe(b.tensors[name])
    expect((await readdir(killed)).filter((name) => name.endsWith('.tmp'))).toEqual([])
    const saving = during.filter((moment) => moment === 'saving').length
    console.info(`${KILLS} kills, ${saving} of them in the middle of a save; reached step ${reached}, then ended alike`)
  } finally {
    await rm(folder, { recursive: true, force: true })
  }
}, 1_800_000)
