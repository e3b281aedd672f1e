import { readFileSync, rmSync, writeFileSync } from 'node:fs'
import { expect, it, vi } from 'vitest'

it('the example of the README runs', async () => {
  const readme = readFileSync(new URL('../README.md', import.meta.url), 'utf8')
  const example = /```ts\n([\s\S]*?)```/.exec(readme)![1]!.replace("'@filature/transformer'", "'./index.ts'")
  const file = new URL('./readme.generated.ts', import.meta.url)
  const log = vi.spyOn(console, 'log').mockImplementation(() => {})
  try {
    writeFileSync(file, example)
    await import(file.href)
    const [loss, count, paths] = log.mock.calls.at(-1) as [number, number, string[]]
    expect(Math.abs(loss - Math.log(50))).toBeLessThan(0.2)
    expect(count).toBe(28)
    expect(paths).toEqual(['transformer.h.0.attn.pattern', 'transformer.h.1.attn.pattern'])
  } finally {
    rmSync(file, { force: true })
    log.mockRestore()
  }
})
