import { type BackendProvider, cpu, useBackend } from '@filature/tensor'
import { type Bench, type Measurement, measure } from './bench.ts'
import { type Ceilings, ceilings } from './ceilings.ts'
import { forwardPasses } from './forward-passes.ts'
import { kernelBenches } from './kernels.ts'
import { chosenOf, optionsOf, usage } from './options.ts'
import { trainingSteps } from './training-steps.ts'

const benches: Bench[] = [...trainingSteps, ...forwardPasses, ...kernelBenches]

const providers: Record<string, (threads: number) => Promise<BackendProvider>> = {
  native: async (threads) => (await import('@filature/backend-native')).native({ threads }),
  wasm: async (threads) => (await import('@filature/backend-wasm')).wasm({ threads }),
  webgpu: async () => (await import('@filature/backend-webgpu')).webgpu(),
  cpu: async () => cpu(),
}

const show = (ms: number) => (ms < 1 ? ms.toFixed(4) : ms.toFixed(1))

function line({ bench, value, best, cpu, n, gflops, gbs }: Measurement, share: number | undefined): string {
  const spread = `best ${show(best)}, processor ${show(cpu)}, ${n} samples`
  const rates = [
    gflops && `${gflops.toFixed(0)} GFLOP/s`,
    gbs && `${gbs.toFixed(1)} GB/s`,
    share && `${(100 * share).toFixed(0)} % of the ceiling`,
  ]
  return `${bench.padEnd(24)} ${show(value).padStart(10)} ms  ${spread.padEnd(44)} ${rates.filter(Boolean).join('  ')}`
}

/** How much of what the machine can do at most a kernel reached. */
function shareOf({ gflops, gbs }: Measurement, most: Ceilings): number | undefined {
  if (gbs) return gbs / most.gbs
  return gflops && most.gflops ? gflops / most.gflops : undefined
}

async function main(): Promise<void> {
  const options = optionsOf(process.argv.slice(2))
  if (options.help) return console.log(usage)
  const chosen = chosenOf(benches, options.names)
  if (options.list) return chosen.forEach(({ name, about }) => void console.log(`${name.padEnd(24)} ${about}`))
  const active = await useBackend(await providers[options.backend]!(options.threads))
  const { device, features, threads } = active.report
  if (!options.json) console.log(`${active.name} on ${device}, ${threads} threads, ${features.join(', ')}`)
  const kernels = new Set(kernelBenches)
  const most = chosen.some((bench) => kernels.has(bench)) ? await ceilings() : undefined
  if (most && !options.json) {
    const multiplying = most.gflops ? `${most.gflops.toFixed(0)} GFLOP/s by chains of multiply-adds, ` : ''
    console.log(`ceiling: ${multiplying}${most.gbs.toFixed(1)} GB/s read`)
  }
  for (const bench of chosen) {
    const result = await measure(bench, { backend: active.name, threads }, options.budget)
    const share = most && kernels.has(bench) ? shareOf(result, most) : undefined
    if (options.json) {
      const ceiling = share && { ceiling: most, share }
      console.log(JSON.stringify({ ...result, ...ceiling, peer: `filature-${active.name}`, config: bench.name }))
    } else console.log(line(result, share))
  }
}

main().then(
  () => process.exit(0),
  (error) => {
    console.error(error instanceof Error ? error.message : error)
    process.exit(1)
  },
)
