import { spawnSync } from 'node:child_process'
import { delimiter, dirname } from 'node:path'
import { npxScript } from './install.mjs'
import { at, rootPath } from './root.mjs'
import { run as spawn } from './spawn.mjs'

const versions = ['22', '24']

/** The whole test command on later versions of Node, which npm's `node` package brings. Arguments name versions. */
export async function run(args) {
  const results = []
  for (const version of args.length > 0 ? args : versions) {
    const binary = nodeOf(version)
    console.log(`\n=== Node ${version}: ${binary}\n`)
    const path = `${dirname(binary)}${delimiter}${process.env.PATH}`
    const code = await spawn(binary, [at('tooling/setup/run.mjs'), 'test'], { env: { ...process.env, PATH: path } })
    results.push([version, code])
  }
  for (const [version, code] of results) console.log(`Node ${version}: ${code === 0 ? 'passed' : `failed (${code})`}`)
  return results.every(([, code]) => code === 0) ? 0 : 1
}

/** The path of a Node of this version, fetched into npx's cache where it is not there yet. */
export function nodeOf(version) {
  const args = ['--yes', '--package', `node@${version}`, '--call', 'node -p process.execPath']
  const npx = npxScript()
  const options = { cwd: rootPath, encoding: 'utf8', stdio: ['ignore', 'pipe', 'inherit'] }
  const found = npx
    ? spawnSync(process.execPath, [npx, ...args], options)
    : spawnSync('npx', args, { ...options, shell: process.platform === 'win32' })
  const path = found.stdout?.trim().split('\n').at(-1)
  if (found.status === 0 && path) return path
  throw new Error(`nodes: npm's package node@${version} did not bring a Node (exit code ${found.status}).`)
}
