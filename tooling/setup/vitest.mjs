import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { at } from './root.mjs'
import { node } from './spawn.mjs'

/** Runs vitest in the root and counts by its JSON report. Returns {passed, failed, skipped}. */
export async function vitest(args) {
  const folder = mkdtempSync(join(tmpdir(), 'filature-tests-'))
  const file = join(folder, 'report.json')
  try {
    const reporters = ['--reporter=default', '--reporter=json', `--outputFile.json=${file}`]
    const code = await node([at('node_modules/vitest/vitest.mjs'), 'run', ...reporters, ...args])
    return count(existsSync(file) ? JSON.parse(readFileSync(file, 'utf8')) : undefined, code)
  } finally {
    rmSync(folder, { recursive: true })
  }
}

/**
 * Tests by outcome. A file that failed without a failed test (it did not load, or a hook of it threw) counts as one
 * failure; so does a run that failed although every test passed (an unhandled error, no tests, a crash).
 */
export function count(report, code) {
  const files = report?.testResults ?? []
  const broken = files.filter(
    ({ status, assertionResults }) => status === 'failed' && assertionResults.every((test) => test.status !== 'failed'),
  )
  const passed = report?.numPassedTests ?? 0
  const failed = (report?.numFailedTests ?? 0) + broken.length
  const skipped = (report?.numPendingTests ?? 0) + (report?.numTodoTests ?? 0)
  return { passed, failed: failed === 0 && code !== 0 ? 1 : failed, skipped }
}

/** Prints the summary, whose last line is `N passed, N failed`, and returns the exit code. */
export function summarize({ passed, failed, skipped = 0 }, notes = []) {
  for (const note of notes) console.log(note)
  if (skipped > 0) console.log(`${skipped} skipped`)
  console.log(`${passed} passed, ${failed} failed`)
  return failed === 0 ? 0 : 1
}
