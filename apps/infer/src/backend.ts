export {
  activate,
  type BackendOptions,
  numberWithin,
  wholeNumber,
  withBackend,
} from '@filature/command-line'
