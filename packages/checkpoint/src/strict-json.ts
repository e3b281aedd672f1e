import { refuse } from './refuse.ts'

export type JsonValue = null | boolean | number | string | JsonValue[] | JsonObject
/** Objects are maps: no key of a file can touch a prototype. */
export type JsonObject = Map<string, JsonValue>

const whitespace = /[ \t\n\r]*/y
const numberToken = /-?(?:0|[1-9]\d*)(?:\.\d+)?(?:[eE][+-]?\d+)?/y
const integerToken = /^-?\d+$/

/**
 * JSON as RFC 8259 has it, refusing what JSON.parse lets pass: a key that stands twice, nesting beyond `maxDepth`, and
 * with `integers` every number that is not written as a whole one or is beyond 2^53.
 */
export function parseStrictJson(
  text: string,
  who: string,
  { maxDepth = 64, integers = false }: { maxDepth?: number; integers?: boolean } = {},
): JsonValue {
  let at = 0

  const fail = (wanted: string): never =>
    refuse('json-malformed', who, `not valid JSON at character ${at}: wanted ${wanted}.`)
  const token = (pattern: RegExp): string | undefined => {
    pattern.lastIndex = at
    const match = pattern.exec(text)?.[0]
    if (match !== undefined) at += match.length
    return match
  }
  const skip = (character: string): boolean => {
    token(whitespace)
    if (text[at] !== character) return false
    at++
    return true
  }

  function value(depth: number): JsonValue {
    if (depth > maxDepth) refuse('json-depth', who, `JSON nested deeper than ${maxDepth} levels at character ${at}.`)
    if (skip('{')) return object(depth)
    if (skip('[')) return array(depth)
    if (text[at] === '"') return string()
    for (const [word, meaning] of words) {
      if (text.startsWith(word, at)) {
        at += word.length
        return meaning
      }
    }
    return number()
  }

  function number(): number {
    const start = at
    const digits = token(numberToken) ?? fail('a value')
    const result = Number(digits)
    if (integers && !(integerToken.test(digits) && Number.isSafeInteger(result))) {
      refuse('json-integer', who, `wanted a whole number below 2^53 at character ${start}, got ${digits.slice(0, 40)}.`)
    }
    return result
  }

  function string(): string {
    if (text[at] !== '"') fail('a string')
    let end = at
    do {
      end = text.indexOf('"', end + 1)
      if (end < 0) fail('the end of the string')
    } while (isEscaped(end))
    const raw = text.slice(at, end + 1)
    try {
      const out = JSON.parse(raw) // one string token: nothing to be lenient about
      at = end + 1
      return out
    } catch {
      return fail('a string without control characters and unknown escapes')
    }
  }

  /** Whether an odd number of backslashes stands before `index`. */
  function isEscaped(index: number): boolean {
    let start = index
    while (text[start - 1] === '\\') start--
    return (index - start) % 2 === 1
  }

  function array(depth: number): JsonValue[] {
    const out: JsonValue[] = []
    if (skip(']')) return out
    do out.push(value(depth + 1))
    while (skip(','))
    return skip(']') ? out : fail("',' or ']'")
  }

  function object(depth: number): JsonObject {
    const out: JsonObject = new Map()
    if (skip('}')) return out
    do {
      token(whitespace)
      const key = string()
      if (out.has(key)) refuse('json-duplicate-key', who, `the key ${JSON.stringify(key.slice(0, 100))} stands twice.`)
      if (!skip(':')) fail("':'")
      out.set(key, value(depth + 1))
    } while (skip(','))
    return skip('}') ? out : fail("',' or '}'")
  }

  const result = value(0)
  token(whitespace)
  if (at !== text.length) fail('the end')
  return result
}

const words: readonly [string, null | boolean][] = [
  ['true', true],
  ['false', false],
  ['null', null],
]
