import type { Adapter } from '@filature/goldens'
import { bertHeadMask, bertPretraining } from './bert.ts'
import { gpt2, nanogpt } from './gpt2.ts'

export const adapters: Adapter[] = [gpt2, nanogpt, bertPretraining, bertHeadMask]
