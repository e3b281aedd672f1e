import type { GoldenJson, Loosened, Tolerance } from './adapter.ts'

/** Exact equality: ids, masks, indices, stored bytes. */
export const EXACT: Tolerance = { atol: 0 }

/** The cases whose json carries no tolerance for each tensor, with what their reference's float32 error allows. */
const SPECIAL: readonly { cases: RegExp; tensors?: RegExp; tolerance: Tolerance }[] = [
  { cases: /^eva_interpolate_pos_embed/, tolerance: { atol: 1e-5 } },
  { cases: /^char_rnn_/, tolerance: { atol: 1e-6 } },
  // Relative for each element; what float32 leaves of a near-zero sum is measured against the tensor's largest.
  { cases: /^ff_memories_/, tolerance: { rtol: 1e-4, rtolOfMax: 1e-6 } },
  { cases: /^optimizers/, tolerance: { atol: 5e-6 } },
  { cases: /^lr_schedules/, tolerance: { atol: 1e-12 } },
  { cases: /^minigpt4_training/, tolerance: { atol: 1e-5 } },
  { cases: /^image_preprocess/, tensors: /_u8_/, tolerance: { atol: 1 } },
  { cases: /^loader_/, tolerance: EXACT },
]

/** The tolerance that the fixture itself sets for one of its outputs or gradients. */
export function toleranceOf(name: string, json: GoldenJson, fullName: string, isFloat: boolean): Tolerance {
  const atol = json.tensors?.[fullName]?.atol
  if (atol !== undefined) return { atol }
  if (/^image_preprocess/.test(name) && /pixel_values/.test(fullName)) return { atol: oneLevel(json) }
  for (const { cases, tensors, tolerance } of SPECIAL) {
    if (cases.test(name) && (tensors ? tensors.test(fullName) : isFloat)) return tolerance
  }
  return EXACT
}

/** One level of 255 after the smallest deviation has divided it, with room for float32 rounding. */
function oneLevel(json: GoldenJson): number {
  const smallest = Math.min(...(json.config.std as number[]))
  return (1 / 255 / smallest) * (1 + 1e-5)
}

export function loosen(tolerance: Tolerance, loosened: Loosened | undefined): Tolerance {
  if (!loosened) return tolerance
  if (loosened.atol !== undefined) return { atol: loosened.atol }
  const times = loosened.times ?? 1
  return {
    atol: (tolerance.atol ?? 0) * times,
    rtol: (tolerance.rtol ?? 0) * times,
    rtolOfMax: (tolerance.rtolOfMax ?? 0) * times,
  }
}
