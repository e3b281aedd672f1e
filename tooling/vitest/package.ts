import { fileURLToPath } from 'node:url'
import { defineProject, type UserWorkspaceConfig } from 'vitest/config'

const here = (path: string) => fileURLToPath(new URL(path, import.meta.url))

/** The vitest project of one package: sources of sibling packages instead of their builds, the workbench by alias. */
export function definePackage(name: string): UserWorkspaceConfig {
  const conditions = ['@filature/source', 'node', 'import', 'module', 'default']
  return defineProject({
    resolve: {
      conditions,
      alias: {
        '@filature/goldens': here('../goldens/src/index.ts'),
        '@filature/testing': here('../testing/src/index.ts'),
      },
    },
    ssr: { resolve: { conditions, externalConditions: conditions } },
    test: { name, include: ['src/**/*.test.ts'], pool: 'forks', testTimeout: 60_000, hookTimeout: 60_000 },
  })
}
