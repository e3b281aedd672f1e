import { mkdtemp, readdir, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, vi } from 'vitest'

/** The fastest backend at hand, on one thread: going on bit for bit wants as many as before. */
export const fastest = { backend: 'native,wasm,cpu', threads: 1 }

/** A folder for each test, and what was printed; `interruptAt` sends Ctrl-C when it is printed. */
export interface Scratch {
  folder: string
  output(): string
  interruptAt: Pick<RegExp, 'test'> | undefined
}

/** Call at the top of a test file. */
export function scratch(): Scratch {
  let said: string[] = []
  const it: Scratch = { folder: '', output: () => said.join(''), interruptAt: undefined }
  const hear = (text: string) => {
    said.push(text)
    if (!it.interruptAt?.test(text)) return
    it.interruptAt = undefined
    process.emit('SIGINT', 'SIGINT')
  }
  beforeEach(async () => {
    it.folder = await mkdtemp(join(tmpdir(), 'filature-train-'))
    it.interruptAt = undefined
    said = []
    vi.spyOn(console, 'log').mockImplementation((line = '') => hear(`${line}\n`))
    vi.spyOn(process.stdout, 'write').mockImplementation((chunk) => {
      hear(String(chunk))
      return true
    })
  })
  afterEach(async () => {
    vi.restoreAllMocks()
    await rm(it.folder, { recursive: true, force: true })
  })
  return it
}

/** The weights of a run's newest checkpoint, as text to compare. */
export async function newestWeights(run: string): Promise<string> {
  const steps = (await readdir(run)).flatMap((name) => /^checkpoint-(\d+)$/.exec(name)?.[1] ?? []).map(Number)
  return (await readFile(join(run, `checkpoint-${Math.max(...steps)}`, 'model.safetensors'))).toString('base64')
}
