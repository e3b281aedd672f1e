import { describeKernels } from '../testing/kernel-cases.ts'

describeKernels({ threads: 1, relaxedSimd: false })
