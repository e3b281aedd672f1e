/** What a package's README tells a reader to type. */
export interface Readme {
  /** The packages of its install line, in order: `['@filature/llama', '@filature/tensor']`. */
  readonly installs: string[]
  /** Its first TypeScript or JavaScript block. */
  readonly example: string | undefined
}

const fence = /^```(\w*)[^\n]*\n([\s\S]*?)^```\s*$/gm

export function readReadme(text: string): Readme {
  const blocks = [...text.matchAll(fence)].map(([, language = '', body = '']) => ({ language, body }))
  const shell = blocks.filter(({ language }) => ['sh', 'bash', 'shell', 'console'].includes(language))
  const installs = shell
    .flatMap(({ body }) => body.split('\n'))
    .map((line) => line.match(/^\s*\$?\s*(?:npm (?:install|i)|pnpm add|yarn add)\s+(.*)$/)?.[1])
    .find((found) => found !== undefined)
  return {
    installs: (installs ?? '').split(/\s+/).filter((name) => name !== '' && !name.startsWith('-')),
    example: blocks.find(({ language }) => ['ts', 'typescript', 'js', 'javascript', 'mjs'].includes(language))?.body,
  }
}
