import type { Adapter } from '@filature/goldens'
import { charAdapter } from './char.ts'
import { networkAdapter } from './networks.ts'

export const adapters: Adapter[] = [networkAdapter, charAdapter]
