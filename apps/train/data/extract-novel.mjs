// Takes one novel out of Debian's package r-cran-janeaustenr (MIT; the texts are in the public domain):
//   apt-get download r-cran-janeaustenr && dpkg-deb -x r-cran-janeaustenr_*.deb unpacked
//   node extract-novel.mjs unpacked/usr/lib/R/site-library/janeaustenr/data/Rdata.rdb "PRIDE AND PREJUDICE" > pride-and-prejudice.txt
import { readFileSync } from 'node:fs'
import { inflateSync } from 'node:zlib'

const [file, title] = process.argv.slice(2)
if (!file || !title) throw new Error('usage: extract-novel.mjs Rdata.rdb TITLE')

/** The chunks of an R lazy-load database: a big-endian length, then a zlib stream. */
function* chunks(bytes) {
  let at = 0
  while (at < bytes.length) {
    const { buffer, engine } = inflateSync(bytes.subarray(at + 4), { info: true })
    if (buffer.length !== bytes.readUInt32BE(at)) throw new Error(`chunk at ${at}: its length does not fit`)
    yield buffer
    at += 4 + engine.bytesWritten
  }
}

/** The strings of a serialised character vector (R's XDR format): each has flags of type 9, a length and its bytes. */
function lines(chunk) {
  const STRING_VECTOR = 16
  let at = chunk.indexOf(Buffer.from([0, 0, 0, STRING_VECTOR]))
  while (at >= 0 && (chunk[at + 11] !== 9 || chunk.readUInt32BE(at + 4) < 100)) at++
  if (at < 0) return []
  const count = chunk.readUInt32BE(at + 4)
  const out = []
  at += 8
  for (let i = 0; i < count; i++) {
    if (chunk[at + 3] !== 9) throw new Error(`string ${i} is none`)
    const length = chunk.readUInt32BE(at + 4)
    out.push(chunk.toString('utf8', at + 8, at + 8 + length))
    at += 8 + length
  }
  return out
}

for (const chunk of chunks(readFileSync(file))) {
  const text = chunk.length > 100_000 ? lines(chunk) : []
  if (text[0] === title) {
    process.stdout.write(`${text.join('\n').trimEnd()}\n`)
    process.exit()
  }
}
throw new Error(`no text begins with ${title}`)
