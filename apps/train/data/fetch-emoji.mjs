// Fetches the emoji of two artists, drawn 64x64 under the same file names, with their names and categories:
//   emoji-datasource-google 16.0.0 (drawings: Noto, Apache-2.0) and emoji-datasource-twitter 16.0.0 (drawings: Twemoji,
//   CC-BY 4.0, by Twitter and contributors); the data about them by Cal Henderson, MIT.
//   node apps/train/data/fetch-emoji.mjs [folder]
// One folder for each artist (default: in apps/train/.cache/emoji), with emoji.json and img/*.png, where
// `filature-train caption` looks.
import { existsSync, mkdirSync, renameSync } from 'node:fs'
import { join } from 'node:path'
import { targetOf, unpackNpm, within } from './fetch.mjs'

const target = targetOf('emoji')
for (const artist of ['google', 'twitter']) {
  const folder = join(target, artist)
  if (existsSync(join(folder, 'emoji.json'))) {
    console.log(`${folder} is there already.`)
    continue
  }
  const name = `emoji-datasource-${artist}`
  within(target, (work) => {
    const otherwise = `or put emoji.json and img/64 of the package ${name} into ${folder}, as emoji.json and img.`
    const from = unpackNpm(`${name}@16.0.0`, work, { otherwise })
    const ready = join(work, 'out')
    mkdirSync(ready)
    renameSync(join(from, `img/${artist}/64`), join(ready, 'img'))
    renameSync(join(from, 'emoji.json'), join(ready, 'emoji.json'))
    if (existsSync(join(from, 'LICENSE'))) renameSync(join(from, 'LICENSE'), join(ready, 'LICENSE'))
    renameSync(ready, folder)
  })
  console.log(`The drawings of ${name} are in ${folder}.`)
}
