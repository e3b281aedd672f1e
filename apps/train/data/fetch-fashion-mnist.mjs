// Fetches Fashion-MNIST (Zalando SE, MIT licence; Xiao, Rasul and Vollgraf 2017: 60,000 + 10,000 pictures of clothes,
// 28x28, ten classes, IDX) out of Debian's package dataset-fashion-mnist, without root. On Debian or Ubuntu:
//   node apps/train/data/fetch-fashion-mnist.mjs [folder]
// The four .gz files go to the folder (default: apps/train/.cache/fashion-mnist), where `filature-train vit` looks.
import { existsSync, renameSync } from 'node:fs'
import { join } from 'node:path'
import { alreadyThere, targetOf, unpackDebian, within } from './fetch.mjs'

const files = ['train-images', 'train-labels', 't10k-images', 't10k-labels'].map((name) =>
  name.endsWith('images') ? `${name}-idx3-ubyte.gz` : `${name}-idx1-ubyte.gz`,
)
const target = targetOf('fashion-mnist')
if (files.every((file) => existsSync(join(target, file)))) alreadyThere(`${target} has the four files already.`)
within(target, (work) => {
  const otherwise = `or put ${files.join(', ')} of any mirror of Fashion-MNIST into ${target}.`
  const from = join(unpackDebian(['dataset-fashion-mnist'], work, { otherwise }), 'usr/share/datasets/fashion-mnist')
  for (const file of files) renameSync(join(from, file), join(target, file))
})
console.log(`Fashion-MNIST is in ${target}.`)
