import { fileURLToPath } from 'node:url'
import { arrows, listProblems } from './arrows.ts'
import { banProblems } from './bans.ts'
import { changesetProblems } from './changesets.ts'
import { drawProblems } from './draws.ts'
import { fileProblems } from './files.ts'
import { importProblems } from './imports.ts'
import { manifestProblems, readManifests } from './manifests.ts'

const root = fileURLToPath(new URL('../../../', import.meta.url))
const problems = [
  ...listProblems(arrows),
  ...manifestProblems(readManifests(root), arrows),
  ...(await importProblems(root, arrows)),
  ...banProblems(root),
  ...drawProblems(root),
  ...fileProblems(root),
  ...changesetProblems(root),
]

for (const problem of problems) console.error(problem)
console.log(problems.length === 0 ? 'arrows: all hold' : `arrows: ${problems.length} broken`)
process.exitCode = problems.length === 0 ? 0 : 1
