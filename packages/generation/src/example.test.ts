import { readFileSync, rmSync, writeFileSync } from 'node:fs'
import { activateBackend } from '@filature/testing'
import { expect, it, vi } from 'vitest'

it('the example of the README runs', async () => {
  await activateBackend('cpu')
  const readme = readFileSync(new URL('../README.md', import.meta.url), 'utf8')
  const example = /```ts\n([\s\S]*?)```/.exec(readme)![1]!.replace("'@filature/generation'", "'./index.ts'")
  const file = new URL('./readme.generated.ts', import.meta.url)
  const log = vi.spyOn(console, 'log').mockImplementation(() => {})
  try {
    writeFileSync(file, example)
    await import(file.href)
    const [rows] = log.mock.calls[0] as [[number[], number][]]
    expect(rows).toHaveLength(2)
    expect(rows[0]![1]).toBeLessThan(0)
    expect(log.mock.calls.slice(1)).toHaveLength(5)
  } finally {
    rmSync(file, { force: true })
    log.mockRestore()
  }
})
