// The one entry of `npm start`, `npm test` and their kin. Plain JavaScript without dependencies: it runs on a machine
// that has Node and npm and nothing else, and installs the rest.
import { requireNode } from './node-version.mjs'

requireNode()

const jobs = {
  start: () => import('./start.mjs'),
  test: () => import('./test.mjs'),
  infer: () => import('./infer.mjs'),
  long: () => import('./long.mjs'),
  nodes: () => import('./nodes.mjs'),
  script: () => import('./script.mjs'),
}

const [name = '', ...args] = process.argv.slice(2)
const job = Object.hasOwn(jobs, name) ? jobs[name] : undefined
if (!job) {
  console.error(`setup: wanted a job (${Object.keys(jobs).join(', ')}), got "${name}".`)
  process.exit(2)
}
try {
  const { run } = await job()
  process.exitCode = await run(args)
} catch (error) {
  console.error(error instanceof Error ? error.message : error)
  process.exitCode = 1
}
