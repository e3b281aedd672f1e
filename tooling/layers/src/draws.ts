import { readFileSync } from 'node:fs'
import { join, relative } from 'node:path'
import { sourcesOf } from './files.ts'

/** Draws that differ from run to run, and what a test does instead. */
const unseeded: readonly (readonly [draw: RegExp, instead: string])[] = [
  [/\bMath\.random\(/, 'Math.random: draw from an Rng with a seed'],
  [
    /(?:\btf\.|(?<![.\w]))random(?:Normal|Uniform|Gamma)\((?![^)]*'float32', \d)/,
    "tfjs' random tensors: randomTensor instead",
  ],
]

/** Draws of tests that pass on one day and fail on another, one line each: what a test draws, it draws from a seed. */
export function drawProblems(root: string): string[] {
  return ['packages', 'apps', 'tooling'].flatMap((parent) =>
    [...sourcesOf(join(root, parent))]
      .filter((path) => path.endsWith('.test.ts') && !path.endsWith('.long.test.ts'))
      .flatMap((path) => {
        const [name, text] = [relative(root, path), readFileSync(path, 'utf8')]
        const problems = unseeded.flatMap(([draw, instead]) => (draw.test(text) ? [`${name}: ${instead}`] : []))
        const properties = text.match(/\bfc\.(assert|check|sample)\(/g)?.length ?? 0
        const seeds = text.match(/\bseed: \d+ \}/g)?.length ?? 0
        if (properties <= seeds || /\bfc\.configureGlobal\(\{ seed: \d+/.test(text)) return problems
        return [...problems, `${name}: fast-check draws without a seed: fc.configureGlobal({ seed: 1 })`]
      }),
  )
}
