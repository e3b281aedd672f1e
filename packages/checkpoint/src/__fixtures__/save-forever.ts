// Saves models whose every number is the same, one after the other, until it is killed: the child of the kill test.
import { Linear, Module, tensor, tidy } from '@filature/tensor'
import { stateOf } from '@filature/tensor'
import { save } from '../save.ts'

class Layers extends Module {
  readonly layers = Array.from({ length: 8 }, () => new Linear(256, 256))
}

process.once('message', async ({ target, maxShardBytes }: { target: string; maxShardBytes: number }) => {
  const model = new Layers()
  for (let round = 1; ; round++) {
    for (const leaf of stateOf(model).values()) {
      const values = new Float32Array(leaf.shape.reduce((a, d) => a * d, 1)).fill(round)
      tidy(() => leaf.assign(tensor(values, leaf.shape)))
    }
    await save(model, target, { maxShardBytes })
    if (round === 1) process.send!('saved')
  }
})
