import { defineProject } from 'vitest/config'
import { tierOf } from '../vitest/tiers.ts'

/** What sets the checkout up is plain JavaScript, and so are its tests: all of them units. */
export default defineProject(({ mode }) => {
  const { include, timeout } = tierOf(mode)
  const unit = include.includes('src/**/*.test.ts')
  return { test: { name: 'setup', include: unit ? ['*.test.mjs'] : [], testTimeout: timeout } }
})
