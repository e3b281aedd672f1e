import { expect, it } from 'vitest'
import { readReadme } from './readme.ts'

const fenced = (language: string, body: string) => `\`\`\`${language}\n${body}\n\`\`\`\n`

it('finds the install line and the first example', () => {
  const text = `# x\n${fenced('sh', 'npm install @filature/x @filature/tensor')}
${fenced('json', '{}')}${fenced('ts', 'const a = 1\nconst b = 2')}${fenced('js', 'later()')}`
  expect(readReadme(text)).toEqual({
    installs: ['@filature/x', '@filature/tensor'],
    example: 'const a = 1\nconst b = 2\n',
  })
})

it('leaves options out and takes pnpm', () => {
  expect(readReadme(fenced('bash', '$ pnpm add -D @filature/x')).installs).toEqual(['@filature/x'])
})

it('takes every line of the block, with versions and without comments', () => {
  const text = fenced('sh', 'pnpm add @filature/x\npnpm add webgpu@0.6.2 # Node alone') + fenced('sh', 'npm i later')
  expect(readReadme(text).installs).toEqual(['@filature/x', 'webgpu@0.6.2'])
})

it('finds nothing where there is nothing', () => {
  expect(readReadme('# x\n\nWords, `npm install x` among them.\n')).toEqual({ installs: [], example: undefined })
})
