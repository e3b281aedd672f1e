import type { Adapter } from '@filature/goldens'
import { annotated } from './annotated.ts'
import { bertHeadMask, bertPretraining } from './bert.ts'
import { gpt2, nanogpt } from './gpt2.ts'
import { torchTransformer } from './seq2seq.ts'

export const adapters: Adapter[] = [gpt2, nanogpt, bertPretraining, bertHeadMask, torchTransformer, annotated]
