import { readFileSync, rmSync, writeFileSync } from 'node:fs'
import { expect, it, vi } from 'vitest'

it('the example of the README runs', async () => {
  const readme = readFileSync(new URL('../README.md', import.meta.url), 'utf8')
  const example = /```ts\n([\s\S]*?)```/.exec(readme)![1]!.replace("'@filature/attention'", "'./index.ts'")
  const file = new URL('./readme.generated.ts', import.meta.url)
  const log = vi.spyOn(console, 'log').mockImplementation(() => {})
  try {
    writeFileSync(file, example)
    await import(file.href)
    expect(log.mock.calls.at(-1)).toEqual([[2, 2, 5, 5]])
  } finally {
    rmSync(file, { force: true })
    log.mockRestore()
  }
})
