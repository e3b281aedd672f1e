// What the browser test runs inside a page; it answers with what it saw.
import { cpu, init, Linear, Rng, useBackend } from '@filature/tensor'
import { fileSource, load, openCheckpoint, openPretrained, saveToBytes } from '../index.ts'

async function run(endpoint: string): Promise<Record<string, unknown>> {
  await useBackend(cpu())
  const model = init(new Linear(4, 2), new Rng(1))
  const file = new File([(await saveToBytes(model)) as Uint8Array<ArrayBuffer>], 'linear.safetensors')
  const fromFile = await openCheckpoint(file)
  const { loaded } = await load(new Linear(4, 2), fromFile)

  const progress: number[] = []
  const online = await openPretrained('org/tiny', { endpoint, onProgress: ({ done, total }) => progress.push(done / total) })
  const first = (await online.checkpoint.read('w'))[0]
  const offline = await openPretrained('org/tiny', { endpoint, offline: true })
  const again = (await offline.checkpoint.read('w'))[49_999]

  const byRange = await openCheckpoint(`${endpoint}/org/tiny/resolve/main/plain.safetensors`)
  const last = (await byRange.read('w'))[49_999]
  const noFile = await fileSource('/etc/hostname').catch((error) => error.code)
  return {
    loaded,
    name: fromFile.name,
    config: online.config,
    first,
    again,
    last,
    missing: (await online.text('merges.txt')) ?? 'none',
    progress: progress.at(-1),
    noFile,
  }
}

Object.assign(globalThis, { run })
