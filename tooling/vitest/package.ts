import { fileURLToPath } from 'node:url'
import { defineProject, type UserProjectConfigFn } from 'vitest/config'
import { tierOf } from './tiers.ts'

const here = (path: string) => fileURLToPath(new URL(path, import.meta.url))

/** The vitest project of one package: sources of sibling packages instead of their builds, the workbench by alias. */
export function definePackage(name: string): UserProjectConfigFn {
  const conditions = ['@filature/source', 'node', 'import', 'module', 'default']
  return defineProject(({ mode }) => {
    const { include, exclude, timeout } = tierOf(mode)
    return {
      resolve: {
        conditions,
        alias: {
          '@filature/goldens': here('../goldens/src/index.ts'),
          '@filature/testing': here('../testing/src/index.ts'),
        },
      },
      ssr: { resolve: { conditions, externalConditions: conditions } },
      test: { name, include, exclude, pool: 'forks', testTimeout: timeout, hookTimeout: timeout },
    }
  })
}
