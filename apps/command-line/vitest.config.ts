import { definePackage } from '../../tooling/vitest/package.ts'

export default definePackage('app-command-line')
