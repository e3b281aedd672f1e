import { afterAll, expect, it } from 'vitest'
import { adopt, cpu, init, Linear, liveMemory, Rng, requireMemory, useBackend } from './index.ts'

const limited = (memoryLimit: number) => {
  const provider = cpu()
  return { ...provider, activate: async () => ({ ...(await provider.activate()), memoryLimit }) }
}
afterAll(async () => void (await useBackend(cpu())))

it('refuses a model that the engine cannot hold, before anything is made', async () => {
  await useBackend(cpu())
  const { bytes, tensors } = liveMemory()
  const { report } = await useBackend(limited(bytes + 1000))
  expect(report.memoryLimit).toBe(bytes + 1000)
  const large = new Linear(25, 10) // 1040 bytes
  expect(() => init(large, new Rng(0))).toThrow(/init: Linear: wanted 1 MiB .* the cpu backend holds/)
  expect(large.weight.hasValue).toBe(false)
  expect(liveMemory().tensors).toBe(tensors)
  const small = init(new Linear(10, 10), new Rng(0))
  init(small, new Rng(1)) // what it has makes room
  expect(() => requireMemory('test', 1000 - 440 + 1)).toThrow('test')
  requireMemory('test', 1000 - 440)
  await useBackend(cpu()) // no limit
  init(large, new Rng(0))
  small[Symbol.dispose]()
  large[Symbol.dispose]()
})

it('adopts an array on any backend', async () => {
  await useBackend(cpu())
  const before = liveMemory().tensors
  const x = adopt(Float32Array.of(1, 2, 3, 4), [2, 2])
  expect([x.shape, Array.from(x.dataSync())]).toEqual([
    [2, 2],
    [1, 2, 3, 4],
  ])
  x.dispose()
  expect(() => adopt(new Float32Array(3), [2, 2])).toThrow('adopt: [2,2] wants 4 numbers, got 3.')
  expect(liveMemory().tensors).toBe(before)
})
