import type { Adapter } from '@filature/goldens'
import { multihead, scaledDotProducts } from './multihead.ts'

export const adapters: Adapter[] = [scaledDotProducts, multihead]
