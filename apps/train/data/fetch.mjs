// What the scripts that fetch data share.
import { execFileSync } from 'node:child_process'
import { mkdirSync, mkdtempSync, readdirSync, rmSync } from 'node:fs'
import { join, resolve } from 'node:path'
import { fileURLToPath } from 'node:url'

/** The folder that was named as the script's argument, or `name` in apps/train/.cache. */
export const targetOf = (name) =>
  resolve(process.argv[2] ?? fileURLToPath(new URL(`../.cache/${name}`, import.meta.url)))

/** Says what is there already, and ends. */
export function alreadyThere(text) {
  console.log(text)
  process.exit()
}

/** Runs `work` in a new folder inside `target`: in its file system, so that what is finished takes its place by a rename. */
export function within(target, work) {
  mkdirSync(target, { recursive: true })
  const folder = mkdtempSync(join(target, '.fetching-'))
  process.on('exit', () => rmSync(folder, { recursive: true, force: true }))
  work(folder)
}

/** Unpacks a package of npm's registry into `folder`/package. */
export function unpackNpm(name, folder, { otherwise }) {
  run('npm', ['pack', '--silent', name], folder, `It needs npm's registry; ${otherwise}`)
  const archive = readdirSync(folder).find((file) => file.endsWith('.tgz'))
  run('tar', ['-xzf', archive], folder, 'It needs tar.')
  return join(folder, 'package')
}

/** Unpacks packages of Debian's, without root, into `folder`/out. */
export function unpackDebian(names, folder, { otherwise }) {
  run(
    'apt-get',
    ['download', ...names],
    folder,
    `Run it where Debian's package lists are (apt-get update); ${otherwise}`,
  )
  for (const deb of readdirSync(folder).filter((file) => file.endsWith('.deb'))) {
    run('dpkg-deb', ['-x', deb, 'out'], folder, 'It needs dpkg-deb.')
  }
  return join(folder, 'out')
}

function run(program, args, cwd, advice) {
  try {
    execFileSync(program, args, { cwd, stdio: ['ignore', 'ignore', 'inherit'], shell: process.platform === 'win32' })
  } catch (error) {
    console.error(`${program} ${args.join(' ')} failed (${error.message.split('\n')[0]}). ${advice}`)
    process.exit(1)
  }
}
