import { closeSync, mkdirSync, openSync, writeSync } from 'node:fs'
import { dirname } from 'node:path'
import type { Reporter } from '../reporter.ts'

/** Appends one JSON object a line: `{"step":20,"loss":...}`, `{"step":500,"evaluation":{...}}`. */
export function jsonlMetrics(path: string): Reporter {
  let file: number | undefined
  const write = (entry: object) => {
    if (file !== undefined) writeSync(file, `${JSON.stringify(entry)}\n`)
  }
  return {
    start() {
      mkdirSync(dirname(path), { recursive: true })
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
