import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { transform } from 'esbuild'
import { execute, type Run, repository } from './execute.ts'

/** An empty project in which a user follows a README to the letter. */
export class Consumer {
  readonly folder: string

  /** `tarballs`: every package of ours by name; nothing of ours comes from a registry. */
  constructor(folder: string, installs: readonly string[], tarballs: ReadonlyMap<string, string>) {
    this.folder = folder
    mkdirSync(folder, { recursive: true })
    const file = (name: string) => `file:${tarballs.get(name)}`
    const named = installs.map((install) => {
      const [, name = install, version = '*'] = /^(@?[^@]+)@(.+)$/.exec(install) ?? []
      return [name, tarballs.has(name) ? file(name) : version] as const
    })
    const dependencies = Object.fromEntries(named)
    const others = [...tarballs.keys()].filter((name) => !(name in dependencies))
    const manifest = {
      name: 'consumer',
      private: true,
      type: 'module',
      dependencies,
      overrides: Object.fromEntries(others.map((name) => [name, file(name)])),
    }
    writeFileSync(join(folder, 'package.json'), JSON.stringify(manifest, null, 2))
  }

  /** Installs with npm as a user does, peers checked. */
  install(): Run {
    return execute('npm', ['install', '--no-audit', '--no-fund', '--prefer-offline'], this.folder, 300)
  }

  /** Writes the example as the user would, and as JavaScript without its types. */
  async write(example: string): Promise<void> {
    writeFileSync(join(this.folder, 'example.ts'), example)
    const { code } = await transform(example, { loader: 'ts', format: 'esm', target: 'es2023' })
    writeFileSync(join(this.folder, 'example.mjs'), code)
    const compilerOptions = {
      strict: true,
      noEmit: true,
      skipLibCheck: true,
      target: 'ES2023',
      lib: ['ES2023', 'ESNext.Disposable', 'DOM'],
      module: 'NodeNext',
      types: ['node'],
      typeRoots: [join(repository, 'node_modules/@types')],
    }
    writeFileSync(join(this.folder, 'tsconfig.json'), JSON.stringify({ compilerOptions, files: ['example.ts'] }))
  }

  typecheck(): Run {
    return execute(process.execPath, [join(repository, 'node_modules/typescript/bin/tsc'), '-p', '.'], this.folder, 120)
  }

  run(node: string): Run {
    return execute(node, ['example.mjs'], this.folder, 120)
  }
}
