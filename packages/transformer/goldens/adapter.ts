import type { Adapter } from '@filature/goldens'
import { gpt2, nanogpt } from './gpt2.ts'

export const adapters: Adapter[] = [gpt2, nanogpt]
