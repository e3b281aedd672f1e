import { describeKernels } from '../testing/kernel-cases.ts'

describeKernels({ threads: 2, relaxedSimd: true })
