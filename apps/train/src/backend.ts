export {
  activate,
  type BackendOptions,
  describeBackend,
  numberWithin,
  wholeNumber,
  withBackend,
} from '@filature/command-line'
