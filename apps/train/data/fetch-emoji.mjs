// Fetches the emoji of two artists, drawn 64x64 under the same file names, with their names and categories:
//   emoji-datasource-google 16.0.0 (drawings: Noto, Apache-2.0) and emoji-datasource-twitter 16.0.0 (drawings: Twemoji,
//   CC-BY 4.0, by Twitter and contributors); the data about them by Cal Henderson, MIT.
//   node apps/train/data/fetch-emoji.mjs [folder]
// One folder for each artist (default: in apps/train/.cache/emoji), with emoji.json and img/*.png, where
// `filature-train caption` looks.
import { execFileSync } from 'node:child_process'
import { existsSync, mkdirSync, mkdtempSync, readdirSync, renameSync, rmSync } from 'node:fs'
import { join, resolve } from 'node:path'
import { fileURLToPath } from 'node:url'

const target = resolve(process.argv[2] ?? fileURLToPath(new URL('../.cache/emoji', import.meta.url)))
for (const artist of ['google', 'twitter']) {
  const folder = join(target, artist)
  if (existsSync(join(folder, 'emoji.json'))) {
    console.log(`${folder} is there already.`)
    continue
  }
  mkdirSync(target, { recursive: true })
  // In the target's file system, so that the finished folder takes its place by one rename.
  const work = mkdtempSync(join(target, `.${artist}-`))
  try {
    const name = `emoji-datasource-${artist}`
    execFileSync('npm', ['pack', `${name}@16.0.0`, '--silent'], { cwd: work, stdio: ['ignore', 'ignore', 'inherit'] })
    const archive = readdirSync(work).find((file) => file.endsWith('.tgz'))
    const wanted = ['package/emoji.json', `package/img/${artist}/64`, 'package/LICENSE']
    const has = execFileSync('tar', ['-tzf', archive], { cwd: work, maxBuffer: 2 ** 26, encoding: 'utf8' })
    const present = wanted.filter((path) => has.includes(`${path}\n`) || has.includes(`${path}/`))
    execFileSync('tar', ['-xzf', archive, ...present], { cwd: work, stdio: 'inherit' })
    mkdirSync(join(work, 'out'))
    renameSync(join(work, `package/img/${artist}/64`), join(work, 'out/img'))
    renameSync(join(work, 'package/emoji.json'), join(work, 'out/emoji.json'))
    if (present.includes('package/LICENSE')) renameSync(join(work, 'package/LICENSE'), join(work, 'out/LICENSE'))
    renameSync(join(work, 'out'), folder)
    console.log(`The drawings of ${name} are in ${folder}.`)
  } finally {
    rmSync(work, { recursive: true, force: true })
  }
}
