import { execFileSync } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import { describe, expect, test } from 'vitest'
import { loadBinary } from '../module/instantiate.ts'

const script = fileURLToPath(new URL('../../kernels/build.mjs', import.meta.url))
const { compiler } = (await import(script)) as { compiler: () => string | undefined }
// other versions write other bytes
const there = /clang version 19\.1\./.test(compiler() ?? '')

describe('the committed kernels', () => {
  test.skipIf(!there)('are what kernels/*.c build to (clang 19.1 and wasm-ld 19.1)', () => {
    expect(() => execFileSync(process.execPath, [script, '--check'], { stdio: 'pipe' })).not.toThrow()
  })

  test('compile for a plain and for a shared memory', async () => {
    for (const shared of [false, true]) {
      const { module } = await loadBinary(false, shared)
      const [memory] = WebAssembly.Module.imports(module)
      expect(memory).toMatchObject({ module: 'env', name: 'memory', kind: 'memory' })
      const make = (kind: boolean) =>
        new WebAssembly.Instance(module, {
          env: { memory: new WebAssembly.Memory({ initial: 1, maximum: 65536, shared: kind }) },
        })
      expect(() => make(shared)).not.toThrow()
      expect(() => make(!shared)).toThrow(WebAssembly.LinkError)
    }
  })
})
