// EVA-ViT-g (39 blocks, 224 pixels) and BLIP-2's Q-Former base at their real size, joined as MiniGPT-4 joins them: writes
// a sharded float16 safetensors checkpoint of random numbers (2.2 GB), loads it, and encodes one image.
//   npm run bench:full-size -- [native|wasm] [float32|half] [folder]
// The folder (default: one for temporary files) is filled once and read by later runs.
import { execFileSync } from 'node:child_process'
import { existsSync } from 'node:fs'
import { mkdir, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import {
  bytesOf,
  layoutSafetensors,
  load,
  openCheckpoint,
  safetensorsChunks,
  type TensorToWrite,
  writeFileAtomic,
} from '@filature/checkpoint'
import { ImageEncoder } from '@filature/minigpt4'
import { QFormer, qformerBase } from '@filature/qformer'
import { parameterCount, parametersOf, Rng, type Tensor4D, tensor, tidy, useBackend } from '@filature/tensor'
import { EvaViT, evaViTG, halfPrecision } from '@filature/vision'

class FullSize extends ImageEncoder {
  constructor() {
    const qformer = new QFormer({ ...qformerBase, text_branch: false })
    super({ vision: new EvaViT(evaViTG), qformer, width: 4096 })
  }
}

const INDEX = 'model.safetensors.index.json'
const SHARD_BYTES = 500_000_000

/** Norms are 1, all else normal numbers of 0.02, one long draw over and over. */
async function write(folder: string): Promise<void> {
  const draw = bytesOf(Float32Array.from(new Rng(1).normal(1 << 22, 0, 0.02)), 'F16', 'draw')
  const shards: { tensors: TensorToWrite[]; bytes: number }[] = []
  for (const [name, { shape }] of parametersOf(new FullSize())) {
    const count = shape.reduce((a, b) => a * b, 1)
    const isScale = /(norm\w*|ln_vision|LayerNorm)\.weight$/.test(name)
    const bytes = () => {
      if (isScale) return bytesOf(new Float32Array(count).fill(1), 'F16', name)
      const out = new Uint8Array(2 * count)
      for (let at = 0; at < out.length; at += draw.length) out.set(draw.subarray(0, out.length - at), at)
      return out
    }
    const last = shards.at(-1)
    const shard = last && last.bytes + 2 * count <= SHARD_BYTES ? last : { tensors: [], bytes: 0 }
    if (shard !== last) shards.push(shard)
    shard.tensors.push({ name, dtype: 'F16', shape: [...shape], bytes })
    shard.bytes += 2 * count
  }
  await mkdir(folder, { recursive: true })
  const weight_map: Record<string, string> = {}
  for (const [i, { tensors }] of shards.entries()) {
    const of = (n: number) => String(n).padStart(5, '0')
    const file = `model-${of(i + 1)}-of-${of(shards.length)}.safetensors`
    await writeFileAtomic(join(folder, file), safetensorsChunks(layoutSafetensors(tensors)))
    for (const { name } of tensors) weight_map[name] = file
  }
  const total_size = shards.reduce((sum, { bytes }) => sum + bytes, 0)
  await writeFile(join(folder, INDEX), JSON.stringify({ metadata: { total_size }, weight_map }))
}

const gib = (bytes: number) => `${(bytes / 2 ** 30).toFixed(2)} GiB`
const peak = () => process.resourceUsage().maxRSS * 1024

async function measure(backend: string, held: string, folder: string): Promise<void> {
  const provider =
    backend === 'wasm'
      ? (await import('@filature/backend-wasm')).wasm()
      : (await import('@filature/backend-native')).native()
  const { report } = await useBackend(provider)
  const model = new FullSize()
  const parts = { 'EVA-ViT-g': model.visual_encoder, 'Q-Former': model.Qformer!, all: model }
  for (const [name, part] of Object.entries(parts)) console.log(`${name}: ${parameterCount(part)} parameters`)
  console.log(`${report.name} (${report.device}, ${report.threads} threads), weights held as ${held}`)
  await using checkpoint = await openCheckpoint(folder)
  console.log(`before loading: ${gib(peak())}`)
  let began = performance.now()
  const seconds = () => `${((performance.now() - began) / 1000).toFixed(1)} s, peak ${gib(peak())}`
  await load(model, checkpoint, held === 'half' ? { dtype: halfPrecision(model) } : {})
  console.log(`loaded in ${seconds()}`)
  for (const turn of ['first', 'second']) {
    began = performance.now()
    const pixels = Float32Array.from(new Rng(2).normal(3 * 224 * 224))
    const tokens = tidy(() => model.encodeImage(tensor(pixels, [1, 3, 224, 224]) as Tensor4D)) // (1, 32, 4096)
    const values = await tokens.data()
    if (!values.every(Number.isFinite)) throw new Error('an output is not a number')
    console.log(`${turn} image (${tokens.shape}) in ${seconds()}`)
    tokens.dispose()
  }
}

const [backend = 'native', held = 'float32', folder = join(tmpdir(), 'filature-full-size')] = process.argv.slice(2)
const expected = (wanted: string[], got: string) => {
  if (!wanted.includes(got)) throw new Error(`bench:full-size: wanted ${wanted.join(' or ')}, got '${got}'`)
}
if (backend === 'write') await write(folder)
else {
  expected(['native', 'wasm'], backend)
  expected(['float32', 'half'], held)
  if (!existsSync(join(folder, INDEX))) {
    console.log(`writing the checkpoint to ${folder} ...`)
    // In a process of its own: its memory is not the loader's.
    execFileSync(process.execPath, [...process.execArgv, fileURLToPath(import.meta.url), 'write', held, folder])
  }
  await measure(backend, held, folder)
}
