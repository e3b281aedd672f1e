// What one training step is made of: node ... ledger.ts [bench] [threads]. Counts every call of the native addon.
import { createRequire } from 'node:module'
import { native } from '@filature/backend-native'
import { useBackend } from '@filature/tensor'
import { forwardPasses } from './forward-passes.ts'
import { trainingSteps } from './training-steps.ts'

const [name = 'gpt-b8', threads = '1'] = process.argv.slice(2)
await useBackend(native({ threads: Number(threads) }))
const root = new URL('../../../packages/backend-native/', import.meta.url).pathname
const addon = createRequire(`${root}package.json`)('node-gyp-build')(root) as Record<
  string,
  (...args: unknown[]) => unknown
>
const book = new Map<string, { calls: number; ms: number; flops: number }>()
const clock = () => {
  const { user, system } = process.cpuUsage()
  return (user + system) / 1000
}
for (const [key, call] of Object.entries(addon)) {
  addon[key] = (...args) => {
    const shape =
      key === 'gemm'
        ? `gemm ${args[0]}x${args[1]}x${args[2]} ${args[4] === 1 ? 'N' : 'T'}${args[6] === 1 ? 'N' : 'T'}`
        : key
    const start = clock()
    const result = call(...args)
    const line = book.get(shape) ?? { calls: 0, ms: 0, flops: 0 }
    line.calls++
    line.ms += clock() - start
    if (key === 'gemm') line.flops += 2 * (args[0] as number) * (args[1] as number) * (args[2] as number)
    book.set(shape, line)
    return result
  }
}
const bench = [...trainingSteps, ...forwardPasses].find((b) => b.name === name)!
const { run } = await bench.setUp()
for (let i = 0; i < 3; i++) await run()
book.clear()
const steps = 5
const start = clock()
for (let i = 0; i < steps; i++) await run()
const total = (clock() - start) / steps
let native_ = 0
for (const [key, { calls, ms, flops }] of [...book].sort((a, b) => b[1].ms - a[1].ms)) {
  native_ += ms / steps
  const rate = flops ? `${(flops / ms / 1e6).toFixed(0)} GFLOP/s` : ''
  console.log(
    `${key.padEnd(34)} ${String(calls / steps).padStart(6)} calls ${(ms / steps).toFixed(2).padStart(9)} ms  ${rate}`,
  )
}
console.log(`total ${total.toFixed(1)} ms of processor time, ${(total - native_).toFixed(1)} outside the addon`)
process.exit(0)
