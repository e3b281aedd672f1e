// Makes a checkpoint of 64 tensors of 16 Mi bytes of float32 and loads it: the child that the memory test measures.
import { rm } from 'node:fs/promises'
import { Linear, liveMemory, Module } from '@filature/tensor'
import { bytesOf } from '../encode.ts'
import { load, openCheckpoint, writeFileAtomic } from '../index.ts'
import { layoutSafetensors, safetensorsChunks } from '../safetensors/writer.ts'

class Layers extends Module {
  readonly layers = Array.from({ length: 64 }, () => new Linear(2048, 2048, { bias: false }))
}

type Message = { path: string; dtype: 'F32' | 'BF16'; phase: 'write' | 'load' }

async function write(path: string, dtype: 'F32' | 'BF16'): Promise<void> {
  const ones = bytesOf(new Float32Array(2048 * 2048).fill(1), dtype, 'ones')
  const tensors = Array.from({ length: 64 }, (_, i) => ({
    name: `layers.${i}.weight`,
    dtype,
    shape: [2048, 2048],
    bytes: () => ones,
  }))
  await rm(path, { force: true })
  await writeFileAtomic(path, safetensorsChunks(layoutSafetensors(tensors)))
}

process.once('message', async ({ path, dtype, phase }: Message) => {
  if (phase === 'write') {
    await write(path, dtype)
    process.send!({})
    return
  }
  const model = new Layers()
  await using checkpoint = await openCheckpoint(path)
  const before = process.resourceUsage().maxRSS * 1024
  const start = performance.now()
  await load(model, checkpoint)
  const seconds = (performance.now() - start) / 1000
  const peak = process.resourceUsage().maxRSS * 1024
  process.send!({ before, peak, seconds, held: liveMemory().bytes })
})
