export {
  activate,
  type BackendOptions,
  backendFlags,
  type ChosenBackend,
  describeBackend,
  withBackend,
} from './backend.ts'
export { flagOf, list, numberWithin, wholeNumber } from './options.ts'
export { callOf, programOf } from './program.ts'
export { runProgram } from './run-program.ts'
