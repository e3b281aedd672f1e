import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { type Arrows, below, tfjsUsers, workbench } from './arrows.ts'

const fields = ['dependencies', 'peerDependencies', 'optionalDependencies', 'devDependencies'] as const
type Field = (typeof fields)[number]

export interface Manifest {
  /** The folder, relative to the root: `packages/llama`. */
  readonly folder: string
  readonly name: string
  readonly private?: boolean
  readonly description?: string
  readonly license?: string
  readonly type?: string
  readonly sideEffects?: boolean | string[]
  readonly engines?: Record<string, string>
  readonly exports?: Record<string, unknown>
  readonly files?: string[]
  readonly publishConfig?: { access?: string }
  readonly repository?: unknown
  readonly dependencies?: Record<string, string>
  readonly peerDependencies?: Record<string, string>
  readonly optionalDependencies?: Record<string, string>
  readonly devDependencies?: Record<string, string>
}

/** Every package.json one level below packages, apps and tooling, and the root's own. */
export function readManifests(root: string): Manifest[] {
  const folders = ['packages', 'apps', 'tooling'].flatMap((parent) =>
    existsSync(join(root, parent)) ? readdirSync(join(root, parent)).map((name) => `${parent}/${name}`) : [],
  )
  return ['.', ...folders.sort()]
    .filter((folder) => existsSync(join(root, folder, 'package.json')))
    .map((folder) => ({ ...JSON.parse(readFileSync(join(root, folder, 'package.json'), 'utf8')), folder }))
}

const declared = (manifest: Manifest, wanted: readonly Field[] = fields) =>
  wanted.flatMap((field) => Object.entries(manifest[field] ?? {}).map(([name, version]) => ({ field, name, version })))

/** Dependencies between packages that no arrow allows. */
export function arrowProblems(manifests: readonly Manifest[], list: Arrows): string[] {
  return manifests
    .filter(({ folder }) => folder.startsWith('packages/'))
    .flatMap((manifest) => {
      const from = manifest.folder.slice('packages/'.length)
      const allowed = list[from]
      if (!allowed) return [`${manifest.folder}: "${from}" is not in the list of arrows (tooling/layers/src/arrows.ts)`]
      return declared(manifest).flatMap(({ field, name, version }) => {
        const at = `${manifest.folder}: ${field}["${name}"]`
        if (name.startsWith('@tensorflow/') && !tfjsUsers.includes(from)) {
          return [`${at}: only ${tfjsUsers.join(', ')} may depend on tfjs; use the ops of @filature/tensor`]
        }
        if (!name.startsWith('@filature/')) return []
        const to = name.slice('@filature/'.length)
        if (workbench.includes(to)) return [`${at}: the workbench is reached by alias, never as a dependency`]
        const reach = field === 'devDependencies' ? below(list, from) : allowed
        if (!reach.includes(to)) return [`${at}: no arrow ${from} -> ${to}`]
        if (version !== 'workspace:^') return [`${at}: wanted "workspace:^", got "${version}"`]
        return []
      })
    })
}

/** `tensor` and its engine exist once in an application: every package takes it as a peer. */
export function peerProblems(manifests: readonly Manifest[]): string[] {
  return manifests
    .filter(({ folder }) => folder.startsWith('packages/'))
    .flatMap((manifest) => {
      const tensor = '@filature/tensor'
      const inner = declared(manifest, ['dependencies', 'optionalDependencies'])
      const problems = inner.some(({ name }) => name === tensor)
        ? [`${manifest.folder}: "${tensor}" must be a peer dependency, so that an application holds one copy`]
        : []
      const peers = Object.keys(manifest.peerDependencies ?? {})
      const needs = inner.some(({ name }) => name.startsWith('@filature/') && name !== '@filature/tokenizers')
      if (needs && !peers.includes(tensor)) problems.push(`${manifest.folder}: its packages need the peer "${tensor}"`)
      for (const peer of peers) {
        if (manifest.devDependencies?.[peer] === undefined) {
          problems.push(
            `${manifest.folder}: the peer "${peer}" must also be a development dependency, for its own tests`,
          )
        }
      }
      return problems
    })
}

/** The same dependency at two versions. A peer's range says what users may bring, not what is installed here. */
export function versionProblems(manifests: readonly Manifest[]): string[] {
  const seen = new Map<string, Map<string, string[]>>()
  for (const manifest of manifests) {
    for (const { name, version } of declared(
      manifest,
      fields.filter((field) => field !== 'peerDependencies'),
    )) {
      const versions = seen.get(name) ?? new Map<string, string[]>()
      versions.set(version, [...(versions.get(version) ?? []), manifest.folder])
      seen.set(name, versions)
    }
  }
  return [...seen]
    .filter(([, versions]) => versions.size > 1)
    .map(([name, versions]) => {
      const each = [...versions].map(([version, folders]) => `${version} (${[...new Set(folders)].join(', ')})`)
      return `${name}: one version everywhere, got ${each.join(' and ')}`
    })
}

/** What a published package must say about itself. */
export function publicProblems(manifests: readonly Manifest[]): string[] {
  return manifests
    .filter(({ folder, private: hidden }) => folder.startsWith('packages/') && !hidden)
    .flatMap((manifest) => {
      const name = `@filature/${manifest.folder.slice('packages/'.length)}`
      const holds: Record<string, boolean> = {
        [`"name" is "${name}"`]: manifest.name === name,
        '"description" is a sentence': (manifest.description ?? '').endsWith('.'),
        '"license" is "MIT"': manifest.license === 'MIT',
        '"type" is "module"': manifest.type === 'module',
        '"sideEffects" is stated': manifest.sideEffects !== undefined,
        '"engines.node" is ">=20.19"': manifest.engines?.node === '>=20.19',
        '"publishConfig.access" is "public"': manifest.publishConfig?.access === 'public',
        '"files" holds "dist"': manifest.files?.includes('dist') === true,
        '"exports" has "./package.json"': manifest.exports?.['./package.json'] !== undefined,
        'every entry of "exports" leads with "@filature/source" and "types"': Object.entries(
          manifest.exports ?? {},
        ).every(
          ([path, entry]) =>
            typeof entry === 'string' ||
            (path.startsWith('.') &&
              Object.keys(entry as Record<string, unknown>)
                .slice(0, 2)
                .join() === '@filature/source,types'),
        ),
      }
      return Object.entries(holds)
        .filter(([, held]) => !held)
        .map(([rule]) => `${manifest.folder}/package.json: ${rule} does not hold`)
    })
}

/** Everything that is wrong with the manifests of the tree. */
export function manifestProblems(manifests: readonly Manifest[], list: Arrows): string[] {
  return [
    ...arrowProblems(manifests, list),
    ...peerProblems(manifests),
    ...versionProblems(manifests),
    ...publicProblems(manifests),
  ]
}
