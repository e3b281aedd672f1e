/** What one `vitest run --mode TIER` takes in. */
export interface Tier {
  readonly include: string[]
  readonly exclude: string[]
  /** Milliseconds after which one test counts as hung, also on a busy machine; no budget. */
  readonly timeout: number
}

const any = 'src/**/*.test.ts'
const golden = 'src/**/*.golden.test.ts'
const long = 'src/**/*.long.test.ts'
/** Run by the project of tooling/float64, in processes of doubles. */
const doubles = 'src/**/*.float64.test.ts'
const minute = 60_000

/**
 * The tiers, by vitest's mode. Budgets on two cores: `unit` 3 minutes, `golden` 8; the plain `vitest run` takes both.
 * A `long` test (fuzz, kill, leak, browser, packing, trained networks) states its own budget in its file.
 */
const tiers: Record<string, Tier> = {
  test: { include: [any], exclude: [long, doubles], timeout: minute },
  unit: { include: [any], exclude: [golden, long, doubles], timeout: minute },
  golden: { include: [golden], exclude: [], timeout: 3 * minute },
  long: { include: [long], exclude: [], timeout: 30 * minute },
}

/** The name under which the root's run tells its mode to the projects, which vitest does not do. */
const passed = 'FILATURE_TIER'

/** Called by the root's configuration with its mode. */
export function passTier(mode: string): void {
  process.env[passed] = mode
}

/** The tier of a project: the root's where the root runs it, otherwise its own mode. */
export function tierOf(mode: string): Tier {
  const name = process.env[passed] ?? mode
  const tier = tiers[name]
  if (tier) return tier
  throw new Error(`vitest: wanted --mode ${Object.keys(tiers).join(', ')}, got "${name}"; see tooling/vitest/tiers.ts`)
}
