/** Axes that the compiled walks take. */
const AXES = 6

const walk = new Float64Array(1 + 4 * AXES)

export interface Axis {
  size: number
  a: number
  b: number
  out: number
}

/**
 * The axes as the compiled walks read them, neighbours that run on joined; undefined where more than six are left.
 * The array is used again by the next call.
 */
export function packWalk(axes: Axis[]): Float64Array | undefined {
  const joined: Axis[] = []
  for (const axis of axes) {
    if (axis.size === 1) continue
    const before = joined[joined.length - 1]
    if (
      before &&
      before.a === axis.a * axis.size &&
      before.b === axis.b * axis.size &&
      before.out === axis.out * axis.size
    ) {
      joined[joined.length - 1] = { ...axis, size: before.size * axis.size }
    } else joined.push(axis)
  }
  if (joined.length === 0) joined.push({ size: 1, a: 1, b: 1, out: 1 })
  if (joined.length > AXES) return undefined
  walk[0] = joined.length
  for (let i = 0; i < joined.length; i++) {
    const { size, a, b, out } = joined[i]!
    walk[1 + i] = size
    walk[1 + AXES + i] = a
    walk[1 + 2 * AXES + i] = b
    walk[1 + 3 * AXES + i] = out
  }
  return walk
}

/** Steps of a row-major shape. */
export function stepsOf(shape: readonly number[]): number[] {
  const steps = new Array<number>(shape.length)
  let step = 1
  for (let i = shape.length - 1; i >= 0; i--) {
    steps[i] = step
    step *= shape[i]!
  }
  return steps
}

/** Steps of `shape` seen as `full`: 0 along axes that are repeated. */
export function broadcastSteps(shape: readonly number[], full: readonly number[]): number[] {
  const steps = stepsOf(shape)
  const missing = full.length - shape.length
  return full.map((d, i) => (i < missing || (shape[i - missing] === 1 && d !== 1) ? 0 : steps[i - missing]!))
}
