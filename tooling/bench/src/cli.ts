import { parseArgs } from 'node:util'
import { type BackendProvider, cpu, useBackend } from '@filature/tensor'
import { type Bench, measure } from './bench.ts'
import { forwardPasses } from './forward-passes.ts'
import { kernelBenches } from './kernels.ts'
import { trainingSteps } from './training-steps.ts'

const usage = `npm run bench -- [names] [--backend NAME] [--threads N] [--json] [--list]
  names        those whose name begins so; all when none is given
  --backend    native (when left out), wasm, webgpu or cpu
  --threads    2 when left out
  --budget     ms of samples for each bench; 3000 when left out
  --json       one line of JSON for each, as the peers' scripts print`

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    backend: { type: 'string', default: 'native' },
    threads: { type: 'string', default: '2' },
    budget: { type: 'string', default: '3000' },
    json: { type: 'boolean', default: false },
    list: { type: 'boolean', default: false },
    help: { type: 'boolean', default: false },
  },
})

const benches: Bench[] = [...trainingSteps, ...forwardPasses, ...kernelBenches]

async function provider(name: string, threads: number): Promise<BackendProvider> {
  switch (name) {
    case 'native':
      return (await import('@filature/backend-native')).native({ threads })
    case 'wasm': {
      const { wasm } = (await import('@filature/backend-wasm')) as unknown as {
        wasm: (options: { threads: number }) => BackendProvider
      }
      return wasm({ threads })
    }
    case 'webgpu': {
      const { webgpu } = (await import('@filature/backend-webgpu')) as unknown as { webgpu: () => BackendProvider }
      return webgpu()
    }
    case 'cpu':
      return cpu()
    default:
      throw new Error(`bench: wanted the backend native, wasm, webgpu or cpu, got '${name}'`)
  }
}

async function main(): Promise<void> {
  if (values.help) return console.log(usage)
  const chosen = benches.filter(({ name }) => !positionals.length || positionals.some((p) => name.startsWith(p)))
  if (values.list) return chosen.forEach(({ name, about }) => void console.log(`${name.padEnd(24)} ${about}`))
  if (!chosen.length) throw new Error(`bench: no bench begins with ${positionals.join(' or ')}; see --list`)
  const threads = Number(values.threads)
  const active = await useBackend(await provider(values.backend, threads))
  const { device, features, threads: used } = active.report
  if (!values.json) console.log(`${active.name} on ${device}, ${used} threads, ${features.join(', ')}`)
  for (const bench of chosen) {
    const result = await measure(bench, { backend: active.name, threads: used }, Number(values.budget))
    if (values.json) {
      console.log(JSON.stringify({ ...result, peer: `filature-${active.name}`, config: bench.name }))
      continue
    }
    const rate = [result.gflops && `${result.gflops.toFixed(0)} GFLOP/s`, result.gbs && `${result.gbs.toFixed(1)} GB/s`]
    const show = (ms: number) => (ms < 1 ? ms.toFixed(4) : ms.toFixed(1))
    const spread = `best ${show(result.best)}, processor ${show(result.cpu)}, ${result.n} samples`
    console.log(
      `${bench.name.padEnd(24)} ${show(result.value).padStart(10)} ms  ${spread.padEnd(44)} ${rate.filter(Boolean).join('  ')}`,
    )
  }
}

main().then(
  () => process.exit(0),
  (error) => {
    console.error(error instanceof Error ? error.message : error)
    process.exit(1)
  },
)
