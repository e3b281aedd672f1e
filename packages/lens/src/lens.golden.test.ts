import { goldenSuite } from '@filature/goldens'
import { adapters } from '../goldens/adapter.ts'

await goldenSuite(adapters, new URL('./__fixtures__/', import.meta.url))
