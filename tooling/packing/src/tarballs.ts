import { existsSync, readdirSync, readFileSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { execute, type Run, repository } from './execute.ts'

export interface PublicPackage {
  readonly name: string
  readonly folder: string
  /** Whether it exports anything yet. */
  readonly filled: boolean
  readonly readme: string | undefined
}

/** The packages that get published. */
export function publicPackages(): PublicPackage[] {
  const parent = join(repository, 'packages')
  return readdirSync(parent).flatMap((name) => {
    const folder = join(parent, name)
    if (!existsSync(join(folder, 'package.json'))) return []
    const manifest = JSON.parse(readFileSync(join(folder, 'package.json'), 'utf8'))
    if (manifest.private) return []
    const index = join(folder, 'src/index.ts')
    const source = existsSync(index) ? readFileSync(index, 'utf8') : ''
    const readme = join(folder, 'README.md')
    return {
      name: manifest.name as string,
      folder,
      filled: /^export (?!\{\s*\})/m.test(source),
      readme: existsSync(readme) ? readFileSync(readme, 'utf8') : undefined,
    }
  })
}

/** Builds every package afresh, so that nothing of an older build is packed; goes on after a failure. */
export function buildAll(packages: readonly PublicPackage[]): Run {
  for (const { folder } of packages) rmSync(join(folder, 'dist'), { recursive: true, force: true })
  const turbo = join(repository, 'node_modules/turbo/bin/turbo')
  const args = [turbo, 'run', 'build', '--continue', '--output-logs=errors-only', '--filter=./packages/*']
  return execute(process.execPath, args, repository, 600)
}

/** Packs one package as it would be published; returns the tarball's path. */
export function pack({ name, folder }: PublicPackage, destination: string): string {
  const pnpm = join(repository, 'node_modules/pnpm/bin/pnpm.cjs')
  const args = [pnpm, 'pack', '--pack-destination', destination]
  const { code, stdout, output } = execute(process.execPath, args, folder, 120)
  const file = stdout.trim().split('\n').at(-1)
  if (code !== 0 || !file?.endsWith('.tgz')) throw new Error(`${name}: packing failed (exit code ${code}): ${output}`)
  return file
}
