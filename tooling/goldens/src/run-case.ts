import type { Adapter } from './adapter.ts'
import type { Comparison } from './comparison.ts'
import type { Fixture } from './fixture.ts'
import { GoldenCase } from './golden-case.ts'
import { describeAndLoad } from './load-model.ts'

/** What one case came to on one backend. */
export interface CaseResult {
  readonly case: string
  readonly backend: string
  readonly pass: boolean
  /** Worst error over its tolerance, and where; null when nothing was compared. */
  readonly worst: Comparison | null
  readonly compared: number
  readonly failures: readonly string[]
  readonly ignored: readonly (readonly [name: string, reason: string])[]
  readonly loosened: readonly (readonly [name: string, reason: string])[]
  /** Other files of the folder that the case used. */
  readonly files: readonly string[]
  readonly seconds: number
}

/** Whether an adapter says that it can run a case of that name. */
export function handles(adapter: Adapter, name: string): boolean {
  return adapter.cases instanceof RegExp ? adapter.cases.test(name) : adapter.cases.includes(name)
}

/** Runs one case on the active backend. Never throws: whatever goes wrong is a failure of the case. */
export async function runCase(
  open: () => Fixture,
  adapter: Adapter,
  name: string,
  backend: string,
): Promise<CaseResult> {
  const start = performance.now()
  const failures: string[] = []
  let golden: GoldenCase | undefined
  try {
    golden = new GoldenCase(open(), backend)
    await play(golden, adapter)
  } catch (error) {
    failures.push(error instanceof Error ? (error.stack ?? error.message) : String(error))
  }
  try {
    await golden?.settled()
  } catch (error) {
    failures.push(String(error))
  }
  const result = summary(name, backend, golden, failures, (performance.now() - start) / 1000)
  golden?.dispose()
  return result
}

async function play(golden: GoldenCase, adapter: Adapter): Promise<void> {
  const model = adapter.model ? await describeAndLoad(golden, adapter) : undefined
  try {
    await adapter.run(golden, model)
    await golden.settled()
  } finally {
    model?.[Symbol.dispose]()
  }
}

function summary(
  name: string,
  backend: string,
  golden: GoldenCase | undefined,
  thrown: readonly string[],
  seconds: number,
): CaseResult {
  const comparisons = golden?.comparisons ?? []
  const failures = [...thrown, ...(golden?.failures ?? [])]
  for (const { tensor, failure, ratio } of comparisons) {
    if (failure) failures.push(`${tensor}: ${failure} (${ratio.toPrecision(3)} times its tolerance)`)
  }
  const leftOver = thrown.length ? [] : (golden?.ledger.leftOver ?? [])
  for (const tensor of leftOver) failures.push(`${tensor}: neither fed in, compared, nor ignored with a reason`)
  if (golden && !thrown.length && comparisons.length === 0) failures.push('nothing was compared')
  return {
    case: name,
    backend,
    pass: golden !== undefined && failures.length === 0,
    worst: comparisons.reduce<Comparison | null>((a, b) => (a && a.ratio >= b.ratio ? a : b), null),
    compared: comparisons.length,
    failures,
    ignored: golden?.ledger.ignored ?? [],
    loosened: comparisons.flatMap(({ tensor, loosened }) => (loosened ? [[tensor, loosened] as const] : [])),
    files: [...(golden?.files ?? [])],
    seconds,
  }
}
