// Compiles the addon and puts it where the package looks first: prebuilds/<platform>-<arch>/. Run on each platform.
import { copyFileSync, mkdirSync, statSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { build } from './build.mjs'

const here = join(dirname(fileURLToPath(import.meta.url)), '..')
const code = build()
if (code !== 0) process.exit(code)
const folder = join(here, 'prebuilds', `${process.platform}-${process.arch}`)
mkdirSync(folder, { recursive: true })
// glibc and musl are told apart by the name; so are runtimes: this one serves every Node with Node-API 8
const libc =
  process.platform !== 'linux' ? '' : process.report.getReport().header.glibcVersionRuntime ? '.glibc' : '.musl'
const to = join(folder, `filature_native.node.napi${libc}.node`)
copyFileSync(join(here, 'build/Release/filature_native.node'), to)
console.log(`${to}: ${Math.round(statSync(to).size / 1024)} KiB`)
