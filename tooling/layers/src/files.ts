import { readdirSync, readFileSync } from 'node:fs'
import { join, relative } from 'node:path'

const skipped = new Set(['node_modules', 'dist', 'build', 'prebuilds', '__fixtures__', '.turbo'])
const vague = new Set(['utils', 'util', 'shared', 'common', 'helpers', 'misc'])
const most = 400

/** What people write in a folder: no builds, no fixtures. */
export function* sourcesOf(folder: string): Generator<string> {
  for (const entry of readdirSync(folder, { withFileTypes: true })) {
    const path = join(folder, entry.name)
    if (entry.isDirectory() && !skipped.has(entry.name)) yield* sourcesOf(path)
    else if (entry.isFile() && /\.(ts|mts|mjs|cjs|cpp|h)$/.test(entry.name)) yield path
  }
}

/** A file tells one idea: it has a name that says which, and an end. */
export function fileProblems(root: string): string[] {
  return ['packages', 'apps', 'tooling'].flatMap((parent) =>
    [...sourcesOf(join(root, parent))].flatMap((path) => {
      const name = relative(root, path)
      const lines = readFileSync(path, 'utf8').split('\n').length - 1
      const problems = lines > most ? [`${name}: ${lines} lines; split it by idea at ${most}`] : []
      const word = name.split(/[/\\.]/).find((part) => vague.has(part))
      return word ? [...problems, `${name}: "${word}" says nothing; name the idea`] : problems
    }),
  )
}
