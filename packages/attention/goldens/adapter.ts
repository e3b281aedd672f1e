import type { Adapter } from '@filature/goldens'
import { additive, luongGlobal, luongLocal, pooling } from './content.ts'
import { multihead, scaledDotProducts } from './multihead.ts'
import { longformer, slidingWindow } from './sliding-window.ts'

export const adapters: Adapter[] = [
  scaledDotProducts,
  multihead,
  additive,
  luongGlobal,
  luongLocal,
  pooling,
  slidingWindow,
  longformer,
]
