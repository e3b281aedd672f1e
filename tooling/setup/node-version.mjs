import { readFileSync } from 'node:fs'
import { root } from './root.mjs'

/** Exits with a clear line where Node is older than package.json's `engines.node`. */
export function requireNode(version = process.versions.node) {
  const { engines } = JSON.parse(readFileSync(new URL('package.json', root), 'utf8'))
  const least = engines.node.replace(/^>=/, '')
  if (atLeast(version, least)) return
  console.error(`Filature: wanted Node ${least} or later, got ${version}. Install a newer one from https://nodejs.org`)
  process.exit(1)
}

/** Compares dotted numbers; missing ones count as 0. */
export function atLeast(version, least) {
  const [have, want] = [version, least].map((text) => text.split('.').map(Number))
  for (let i = 0; i < Math.max(have.length, want.length); i++) {
    const difference = (have[i] ?? 0) - (want[i] ?? 0)
    if (difference !== 0) return difference > 0
  }
  return true
}
