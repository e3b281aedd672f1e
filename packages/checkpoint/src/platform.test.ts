import { readFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { describe, expect, it } from 'vitest'
import * as node from './platform.node.ts'
import * as browser from './platform.ts'

const source = (file: string) => fileURLToPath(new URL(file, import.meta.url))

/** An import or export from elsewhere. */
const statement = /^(?:import|export)\s+(type\s+)?(?:\{[^}]*\}|\*(?: as \w+)?|\w+)\s+from '([^']+)'/gm

/** Every module that a browser's bundle of this package takes in, and every package that they import. */
function browserModules(): { files: Set<string>; packages: Set<string> } {
  const files = new Set<string>()
  const packages = new Set<string>()
  const open = [source('./index.ts')]
  for (let file = open.pop(); file; file = open.pop()) {
    if (files.has(file)) continue
    files.add(file)
    const text = readFileSync(file, 'utf8')
    for (const [, typeOnly, name] of text.matchAll(statement)) {
      if (typeOnly) continue
      if (name === '#platform') open.push(source('./platform.ts'))
      else if (name!.startsWith('.')) open.push(fileURLToPath(new URL(name!, `file://${file}`)))
      else packages.add(name!)
    }
  }
  return { files, packages }
}

describe('the browser’s build', () => {
  it('has the same names as Node’s', () => {
    expect(Object.keys(browser).sort()).toEqual(Object.keys(node).sort())
  })

  it('takes in nothing of Node', () => {
    const { files, packages } = browserModules()
    expect(files.size).toBeGreaterThan(30)
    expect([...files].filter((file) => file.endsWith('.node.ts'))).toEqual([])
    expect([...packages].sort()).toEqual([
      '@filature/tensor',
      '@noble/hashes/sha2.js',
      '@noble/hashes/utils.js',
      'unzipit',
    ])
  })

  it('says what needs a file system', async () => {
    for (const call of [
      () => browser.fileSource('x'),
      () => browser.writeFileAtomic('x', []),
      () => browser.readTextFile('x'),
      () => browser.removeFiles(['x']),
    ]) {
      await expect(call()).rejects.toMatchObject({ name: 'ConfigError', code: 'no-file-system' })
    }
    expect(await browser.kindOfPath('x')).toBeUndefined()
  })
})
