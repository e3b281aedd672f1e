import { closeSync, existsSync, mkdirSync, openSync, readFileSync, renameSync, writeFileSync, writeSync } from 'node:fs'
import { dirname } from 'node:path'
import type { Reporter } from '../reporter.ts'

/**
 * Appends one JSON object a line: `{"step":20,"loss":...}`, `{"step":500,"evaluation":{...}}`. A run that goes on from
 * a checkpoint first takes back what was written behind it, so that every step stands there once.
 */
export function jsonlMetrics(path: string): Reporter {
  let file: number | undefined
  const write = (entry: object) => {
    if (file !== undefined) writeSync(file, `${JSON.stringify(entry)}\n`)
  }
  return {
    start({ from }) {
      mkdirSync(dirname(path), { recursive: true })
      if (existsSync(path)) takeBack(path, from)
      file = openSync(path, 'a')
    },
    log: write,
    evaluated: (step, evaluation) => write({ step, evaluation }),
    saved: (step) => write({ step, saved: true }),
    end() {
      if (file !== undefined) closeSync(file)
      file = undefined
    },
  }
}

/** Drops the lines of steps after `last`, and a line that a killed process left half written. */
function takeBack(path: string, last: number): void {
  const lines = readFileSync(path, 'utf8').split('\n')
  const kept = lines.filter((line) => {
    try {
      return (JSON.parse(line) as { step: number }).step <= last
    } catch {
      return false
    }
  })
  const temporary = `${path}.${process.pid}.tmp`
  writeFileSync(temporary, kept.map((line) => `${line}\n`).join(''))
  renameSync(temporary, path)
}
