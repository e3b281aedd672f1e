import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'

/** Changesets that would move a version further than a patch: see docs/decisions/006. */
export function changesetProblems(root: string): string[] {
  const folder = join(root, '.changeset')
  if (!existsSync(folder)) return []
  return readdirSync(folder)
    .filter((name) => name.endsWith('.md') && name !== 'README.md')
    .flatMap((name) => {
      const [, head = ''] = readFileSync(join(folder, name), 'utf8').split(/^---$/m)
      const lines = head.trim().split('\n')
      return lines
        .filter((line) => !/^['"]@filature\/[a-z0-9-]+['"]: patch$/.test(line))
        .map((line) => `.changeset/${name}: until 0.1 every change is a patch of a package, got "${line}"`)
    })
}
