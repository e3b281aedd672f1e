import type { Checkpoint } from '@filature/checkpoint'
import { decode } from './decode.ts'
import type { Fixture } from './fixture.ts'
import type { Ledger } from './ledger.ts'

const PREFIX = 'weights.'

/**
 * The case's `weights.*` as an open checkpoint under their exact names; reading a tensor consumes it. It decodes by
 * itself instead of opening the file, so that it also serves the process in which Float32Array holds doubles.
 */
export function weightsOf(fixture: Fixture, ledger: Ledger): Checkpoint {
  const names = fixture.names.filter((name) => name.startsWith(PREFIX)).map((name) => name.slice(PREFIX.length))
  const known = new Set(names)
  const stored = (name: string) => fixture.stored(PREFIX + name)
  return {
    format: 'safetensors',
    name: `${fixture.name}.safetensors`,
    metadata: new Map(),
    names: () => names,
    has: (name) => known.has(name),
    info: (name) => {
      const { dtype, shape } = stored(name)
      return { dtype, shape } as ReturnType<Checkpoint['info']>
    },
    read: async (name) => {
      ledger.use(PREFIX + name)
      const { dtype, bytes } = stored(name)
      const values = decode(dtype, bytes, name)
      if (dtype === 'I64') return BigInt64Array.from(values, (v) => BigInt(v))
      if (dtype === 'BOOL') return Uint8Array.from(values)
      if (dtype === 'I32') return Int32Array.from(values)
      return Float32Array.from(values)
    },
    close: async () => {},
    [Symbol.asyncDispose]: async () => {},
  }
}
