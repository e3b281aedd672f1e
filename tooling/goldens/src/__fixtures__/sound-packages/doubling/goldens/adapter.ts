export { adapters } from '../../../packages/doubling/goldens/adapter.ts'
