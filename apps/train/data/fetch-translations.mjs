// Fetches sentence pairs out of Debian's packages, without root. On Debian or Ubuntu:
//   node apps/train/data/fetch-translations.mjs [folder]
// de-en.tsv: example sentences of the German-English dictionary trans-de-en (Frank Richter, GPL 2 or later; a few words to
// a few lines each). es-en.tsv: the verses of two Bibles in the public domain, Reina-Valera 1909 (sword-text-sparv) and
// King James (sword-text-kjv), aligned by verse. en-es.tsv: the other way round, from King James and the World English
// Bible (sword-text-web): each Spanish verse twice. One pair a line: source, tab, target. They go to the folder (default:
// apps/train/.cache/translations), where `filature-train translate` looks, and are no part of this repository.
import { existsSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { inflateSync } from 'node:zlib'
import { alreadyThere, targetOf, unpackDebian, within } from './fetch.mjs'

const target = targetOf('translations')
const files = ['de-en.tsv', 'es-en.tsv', 'en-es.tsv']
if (files.every((file) => existsSync(join(target, file)))) alreadyThere(`${target} has ${files.join(', ')} already.`)

within(target, (work) => {
  const packages = ['trans-de-en', 'sword-text-kjv', 'sword-text-web', 'sword-text-sparv']
  const otherwise = `or put pairs of your own into ${target}, one a line: source, tab, target.`
  const from = unpackDebian(packages, work, { otherwise })
  write('de-en.tsv', dictionaryPairs(readFileSync(join(from, 'usr/share/trans/de-en'), 'utf8')))
  const texts = join(from, 'usr/share/sword/modules/texts/ztext')
  const bible = (module) => ['ot', 'nt'].map((testament) => verses(join(texts, module, testament)))
  const [spanish, kingJames, world] = ['spaRV1909eb', 'engKJV2006eb', 'engWEB2015eb'].map(bible)
  const both = spanish.map((testament, t) =>
    // the World English Bible counts a few verses otherwise: those that say something else are left out
    testament.map((verse, i) => [verse, kingJames[t][i], alike(kingJames[t][i], world[t][i]) ? world[t][i] : '']),
  )
  write(
    'es-en.tsv',
    both.flat().map(([verse, king]) => [verse, king]),
  )
  write(
    'en-es.tsv',
    both.flat().flatMap(([verse, king, modern]) => [
      [king, verse],
      [modern, verse],
    ]),
  )
})

function write(name, pairs) {
  const lines = new Map()
  for (const [source, translation] of pairs) if (source && translation) lines.set(source, `${source}\t${translation}\n`)
  writeFileSync(join(target, name), [...lines.values()].join(''))
  console.log(`${lines.size} pairs are in ${join(target, name)}.`)
}

/** `German | forms :: English | forms`: those forms that are sentences on both sides, without notes or variants. */
function dictionaryPairs(text) {
  const clean = (form) => form.replace(/\s*\[[^\]]*\]/g, '').trim()
  return text.split('\n').flatMap((line) => {
    const [german, english] = line.startsWith('#') ? [] : line.split(' :: ')
    if (!english) return []
    const [sources, translations] = [german, english].map((side) => side.split('|').map(clean))
    if (sources.length !== translations.length) return []
    return sources
      .map((source, i) => [source, translations[i]])
      .filter((pair) => pair.every((side) => /[.!?]$/.test(side) && !/[{}()<>/;\t]/.test(side)))
  })
}

/** Whether two verses share at least three words in ten. */
function alike(a, b) {
  const [one, other] = [a, b].map((verse) => new Set((verse ?? '').toLowerCase().match(/[a-z]+/g)))
  return 10 * [...one].filter((word) => other.has(word)).length >= 3 * Math.max(1, one.size, other.size)
}

/** The verses of a SWORD module (zText, blocks of a book), by their place in the versification; '' where there is none. */
function verses(path) {
  const [blocks, places, text] = ['bzs', 'bzv', 'bzz'].map((end) => readFileSync(`${path}.${end}`))
  const books = []
  for (let i = 0; i + 12 <= blocks.length; i += 12) {
    const [from, size] = [blocks.readUInt32LE(i), blocks.readUInt32LE(i + 4)]
    books.push(size ? inflateSync(text.subarray(from, from + size)) : Buffer.alloc(0))
  }
  const out = []
  for (let i = 0; i + 10 <= places.length; i += 10) {
    const [book, from, size] = [places.readUInt32LE(i), places.readUInt32LE(i + 4), places.readUInt16LE(i + 8)]
    out.push(size ? plain(books[book].toString('utf8', from, from + size)) : '')
  }
  return out
}

/** OSIS markup without tags, notes and titles. */
function plain(osis) {
  return osis
    .replace(/<(note|title)\b[^>]*>[\s\S]*?<\/\1>/g, '')
    .replace(/<[^>]*>/g, '')
    .replaceAll('¶', '')
    .replaceAll('&lt;', '<')
    .replaceAll('&gt;', '>')
    .replaceAll('&amp;', '&')
    .replace(/\s+/g, ' ')
    .trim()
}
