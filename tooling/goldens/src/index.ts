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
