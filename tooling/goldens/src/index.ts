export type {
  Adapter,
  Differentiate,
  Golden,
  GoldenJson,
  Loosened,
  Numbers,
  Outputs,
  Tolerance,
  Value,
} from './adapter.ts'
export { adapter } from './adapter.ts'
export { type CaseResult, runCase } from './run-case.ts'
export { goldenSuite, type SuiteOptions } from './suite.ts'
