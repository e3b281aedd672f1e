import { defineProject } from 'vitest/config'

export default defineProject({ test: { name: 'setup', include: ['*.test.mjs'], testTimeout: 60_000 } })
