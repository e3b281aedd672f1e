import { buildNative } from './build.mjs'
import { install } from './install.mjs'
import { summarize, vitest } from './vitest.mjs'

/** A long test's file carries its kind at the end of its name: `hostile-fuzz.long.test.ts`. */
const kinds = ['fuzz', 'kill', 'leak', 'browser', 'pack']

/** The long tests, one heavy file at a time: all of them, or those of the kinds named. */
export async function run(args) {
  const unknown = args.filter((arg) => !kinds.includes(arg))
  if (unknown.length > 0) throw new Error(`test:long: wanted ${kinds.join(', ')}, got ${unknown.join(', ')}.`)
  await install()
  buildNative()
  return summarize(
    await vitest(['--mode', 'long', '--no-file-parallelism', ...args.map((kind) => `${kind}.long.test`)]),
  )
}
