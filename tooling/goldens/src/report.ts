import type { CaseResult } from './run-case.ts'

export const HEADER = `${'case'.padEnd(34)} ${'backend'.padEnd(8)} ${'error/tol'.padStart(9)}  ${'result'.padEnd(6)} worst tensor`

/** One row a case: case, backend, worst error over its tolerance, pass, which tensor. */
export function rowOf({ case: name, backend, worst, pass, compared }: CaseResult): string {
  const ratio = worst ? (Number.isFinite(worst.ratio) ? worst.ratio.toPrecision(3) : 'inf') : '-'
  const tensor = worst ? `${worst.tensor} (of ${compared})` : ''
  return `${name.padEnd(34)} ${backend.padEnd(8)} ${ratio.padStart(9)}  ${(pass ? 'pass' : 'FAIL').padEnd(6)} ${tensor}`
}

const SHOWN = 8

/** Under the row: what failed, what was left out and what was loosened, with reasons. */
export function notesOf({ failures, ignored, loosened }: CaseResult): string[] {
  const shown = failures.slice(0, SHOWN).map((failure) => `    ! ${failure.replaceAll('\n', '\n      ')}`)
  if (failures.length > SHOWN) shown.push(`    ! and ${failures.length - SHOWN} more`)
  return [...shown, ...grouped('ignored', ignored), ...grouped('loosened', loosened)]
}

/** Tensors of one reason on one line. */
function grouped(verb: string, entries: CaseResult['ignored']): string[] {
  const byReason = new Map<string, string[]>()
  for (const [name, reason] of entries) byReason.set(reason, [...(byReason.get(reason) ?? []), name])
  return [...byReason].map(([reason, names]) => {
    const some = names.length > 3 ? `${names.slice(0, 3).join(', ')} and ${names.length - 3} more` : names.join(', ')
    return `    ${verb} ${some}: ${reason}`
  })
}
