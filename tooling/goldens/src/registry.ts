import { existsSync, readdirSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath, pathToFileURL } from 'node:url'
import type { Adapter } from './adapter.ts'
import { handles } from './run-case.ts'

const PACKAGES = fileURLToPath(new URL('../../../packages/', import.meta.url))

export interface PackageAdapters {
  readonly package: string
  readonly adapters: readonly Adapter[]
  /** Why the adapter file could not be imported. */
  readonly error?: string
}

/**
 * Every `packages/NAME/goldens/adapter.ts`, or that of one package. One that cannot be imported is reported, the others
 * still run.
 */
export async function findAdapters(root: string = PACKAGES, only?: string): Promise<PackageAdapters[]> {
  const found: PackageAdapters[] = []
  for (const name of only ? [only] : readdirSync(root).sort()) {
    const file = join(root, name, 'goldens', 'adapter.ts')
    if (!existsSync(file)) continue
    try {
      const { adapters } = (await import(pathToFileURL(file).href)) as { adapters?: readonly Adapter[] }
      if (!Array.isArray(adapters)) throw new Error("it exports no list named 'adapters'")
      found.push({ package: name, adapters })
    } catch (error) {
      found.push({
        package: name,
        adapters: [],
        error: error instanceof Error ? (error.stack ?? error.message) : String(error),
      })
    }
  }
  return found
}

/** The one adapter of a case. Two are a mistake: the case would be judged by whichever came first. */
export function adapterFor(name: string, found: readonly PackageAdapters[]): Adapter | undefined {
  const claims = found.flatMap((entry) =>
    entry.adapters.filter((adapter) => handles(adapter, name)).map((adapter) => ({ package: entry.package, adapter })),
  )
  if (claims.length > 1) {
    throw new Error(`Golden ${name}: several adapters claim it, in ${claims.map((claim) => claim.package).join(', ')}.`)
  }
  return claims[0]?.adapter
}
