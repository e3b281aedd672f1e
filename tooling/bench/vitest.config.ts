import { definePackage } from '../vitest/package.ts'

export default definePackage('bench')
