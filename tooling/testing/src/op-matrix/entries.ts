import { attention } from './attention.ts'
import { elementwise } from './elementwise.ts'
import type { Entry } from './entry.ts'
import { fused } from './fused.ts'
import { images } from './images.ts'
import { largeSizes } from './large.ts'
import { losses } from './losses.ts'
import { matmul } from './matmul.ts'
import { norms } from './norms.ts'
import { notANumber } from './not-a-number.ts'
import { partial } from './partial.ts'
import { recurrent } from './recurrent.ts'
import { reduce } from './reduce.ts'
import { shape } from './shape.ts'

/** Every op that @filature/tensor exports, in every way that its kernels tell apart. */
export const entries: readonly Entry[] = [
  ...elementwise,
  ...shape,
  ...reduce,
  ...matmul,
  ...norms,
  ...fused,
  ...attention,
  ...recurrent,
  ...losses,
  ...images,
  ...largeSizes,
  ...notANumber,
  ...partial,
]
