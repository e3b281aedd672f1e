import { type Module, stateOf, tensor, tidy } from '@filature/tensor'
import type { Adapter } from './adapter.ts'
import type { GoldenCase } from './golden-case.ts'
import { nameFailures } from './names.ts'

/** Describes the case's model, proves its names, loads its weights strictly. */
export async function describeAndLoad(golden: GoldenCase, adapter: Adapter): Promise<Module> {
  const model = adapter.model!(golden)!
  golden.failures.push(...nameFailures(golden.fixture, golden.ledger, model))
  const weights = golden.weights()
  for (const [key, leaf] of stateOf(model)) {
    const values = await weights.read(key)
    tidy(() => leaf.assign(tensor(Float32Array.from(values as never, Number), leaf.shape)))
  }
  return model
}
