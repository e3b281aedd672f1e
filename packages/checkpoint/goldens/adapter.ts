import { type Adapter, adapter, type Golden } from '@filature/goldens'
import type { TensorValues } from '../src/dtypes.ts'
import { type Checkpoint, openCheckpoint } from '../src/index.ts'

interface Listed {
  readonly dtype: string
  readonly shape: readonly number[]
  readonly values: readonly (number | boolean)[]
}

const exact = { atol: 0 }
const numbersOf = (values: TensorValues): number[] => Array.from(values, Number)

/** Every tensor of the safetensors file against the list in the json, dtype and all. */
async function compareListed(golden: Golden): Promise<void> {
  const expected = golden.json.expected as Record<string, Listed>
  await using file = await openCheckpoint(golden.file('loader_dtypes.safetensors'))
  sameNames('loader_dtypes.safetensors', file.names(), Object.keys(expected))
  for (const [name, { dtype, shape, values }] of Object.entries(expected)) {
    const info = file.info(name)
    if (info.dtype !== dtype) throw new Error(`${name} is ${info.dtype} here and ${dtype} in the json`)
    const data = numbersOf(await file.read(name))
    golden.compare(name, { shape: info.shape, data }, { shape, data: values.map(Number) }, exact)
  }
}

/** What torch.save wrote, against the same tensors as safetensors. */
async function compareSaved(golden: Golden, saved: string, isPart: (name: string) => boolean): Promise<Checkpoint> {
  await using expected = await openCheckpoint(golden.file('loader_checkpoint_expected.safetensors'))
  const file = await openCheckpoint(golden.file(saved))
  sameNames(saved, file.names(), expected.names().filter(isPart))
  for (const name of file.names()) {
    const actual = { shape: file.info(name).shape, data: numbersOf(await file.read(name)) }
    const wanted = { shape: expected.info(name).shape, data: numbersOf(await expected.read(name)) }
    golden.compare(`${saved}: ${name}`, actual, wanted, exact)
  }
  return file
}

function sameNames(file: string, actual: readonly string[], wanted: readonly string[]): void {
  const [a, b] = [[...actual].sort().join('\n'), [...wanted].sort().join('\n')]
  if (a !== b) throw new Error(`${file} has the tensors\n${a}\ninstead of\n${b}`)
}

/** Values that are no tensors: text, numbers, None, lists. */
function compareOthers(golden: Golden, file: Checkpoint): void {
  const others = golden.json.non_tensor_expected as Record<string, unknown>
  for (const [key, wanted] of Object.entries(others)) {
    const actual = JSON.stringify(file.metadata.get(key))
    if (actual !== JSON.stringify(wanted)) throw new Error(`${key} is ${actual} instead of ${JSON.stringify(wanted)}`)
  }
}

export const adapters: readonly Adapter[] = [
  adapter({
    cases: ['loader_dtypes'],
    async run(golden) {
      await compareListed(golden)
      await using zip = await compareSaved(golden, 'loader_checkpoint.pth', () => true)
      compareOthers(golden, zip)
      await using legacy = await compareSaved(golden, 'loader_checkpoint_legacy.pth', (name) =>
        name.startsWith('model.'),
      )
      const { epoch } = golden.json.non_tensor_expected as Record<string, unknown>
      if (legacy.metadata.get('epoch') !== epoch) throw new Error('the legacy epoch differs')
    },
  }),
]
