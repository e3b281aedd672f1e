/** What a package's README tells a reader to type. */
export interface Readme {
  /** What its first block with install lines installs, in order: `['@filature/llama', 'sharp@0.35.5']`. */
  readonly installs: string[]
  /** Its first TypeScript or JavaScript block. */
  readonly example: string | undefined
}

const installLine = /^\s*\$?\s*(?:npm (?:install|i)|pnpm add|yarn add)\s+(.*)$/
const fence = /^```(\w*)[^\n]*\n([\s\S]*?)^```\s*$/gm

export function readReadme(text: string): Readme {
  const blocks = [...text.matchAll(fence)].map(([, language = '', body = '']) => ({ language, body }))
  const shell = blocks.filter(({ language }) => ['sh', 'bash', 'shell', 'console'].includes(language))
  const installs = shell
    .map(({ body }) => body.split('\n').flatMap((line) => installLine.exec(line.replace(/\s#.*/, ''))?.[1] ?? []))
    .find((lines) => lines.length > 0)
  return {
    installs: (installs ?? []).flatMap((line) =>
      line.split(/\s+/).filter((name) => name !== '' && !name.startsWith('-')),
    ),
    example: blocks.find(({ language }) => ['ts', 'typescript', 'js', 'javascript', 'mjs'].includes(language))?.body,
  }
}
