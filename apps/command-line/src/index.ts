export { activate, type BackendOptions, describeBackend, withBackend } from './backend.ts'
export { numberWithin, wholeNumber } from './numbers.ts'
export { runProgram } from './run-program.ts'
