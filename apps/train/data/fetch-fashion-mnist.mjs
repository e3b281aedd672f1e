// Fetches Fashion-MNIST (Zalando SE, MIT licence; Xiao, Rasul and Vollgraf 2017: 60,000 + 10,000 pictures of clothes,
// 28x28, ten classes, IDX) out of Debian's package dataset-fashion-mnist, without root. On Debian or Ubuntu:
//   node apps/train/data/fetch-fashion-mnist.mjs [folder]
// The four .gz files go to the folder (default: apps/train/.cache/fashion-mnist), where `filature-train vit` looks.
import { execFileSync } from 'node:child_process'
import { copyFileSync, existsSync, mkdirSync, mkdtempSync, readdirSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { fileURLToPath } from 'node:url'

const files = ['train-images', 'train-labels', 't10k-images', 't10k-labels'].map((name) =>
  name.endsWith('images') ? `${name}-idx3-ubyte.gz` : `${name}-idx1-ubyte.gz`,
)
const target = resolve(process.argv[2] ?? fileURLToPath(new URL('../.cache/fashion-mnist', import.meta.url)))
if (files.every((file) => existsSync(join(target, file)))) {
  console.log(`${target} has the four files already.`)
  process.exit()
}

const work = mkdtempSync(join(tmpdir(), 'fashion-mnist-'))
try {
  try {
    execFileSync('apt-get', ['download', 'dataset-fashion-mnist'], {
      cwd: work,
      stdio: ['ignore', 'ignore', 'inherit'],
    })
  } catch (error) {
    console.error(
      `apt-get download dataset-fashion-mnist failed (${error.message.split('\n')[0]}). Run it where Debian's package lists ` +
        `are (apt-get update), or put ${files.join(', ')} of any mirror of Fashion-MNIST into ${target}.`,
    )
    process.exit(1)
  }
  const deb = readdirSync(work).find((name) => name.endsWith('.deb'))
  execFileSync('dpkg-deb', ['-x', join(work, deb), join(work, 'out')], { stdio: 'inherit' })
  mkdirSync(target, { recursive: true })
  for (const file of files) copyFileSync(join(work, 'out/usr/share/datasets/fashion-mnist', file), join(target, file))
  console.log(`Fashion-MNIST is in ${target}.`)
} finally {
  rmSync(work, { recursive: true, force: true })
}
