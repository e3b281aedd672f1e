import { readFileSync, rmSync, writeFileSync } from 'node:fs'
import { expect, it, vi } from 'vitest'

it('the example of the README runs', async () => {
  const readme = readFileSync(new URL('../README.md', import.meta.url), 'utf8')
  const example = /```ts\n([\s\S]*?)```/.exec(readme)![1]!.replace("'@filature/tokenizers'", "'./index.ts'")
  const file = new URL('./readme.generated.ts', import.meta.url)
  const log = vi.spyOn(console, 'log').mockImplementation(() => {})
  try {
    writeFileSync(file, example)
    await import(file.href)
    expect(log.mock.calls[0]).toEqual(['the lowest'])
    expect(log.mock.calls[1]![0]).toEqual([2, expect.any(Number)])
    expect(log.mock.calls.slice(2).flat().join('')).toBe('the lowest')
  } finally {
    rmSync(file, { force: true })
    log.mockRestore()
  }
})
