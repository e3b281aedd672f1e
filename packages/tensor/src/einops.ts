import * as tf from '#tfjs'
import { ShapeError } from './errors.ts'
import { matMul } from './ops/matmul.ts'
import type { Tensor } from './types.ts'

// Axis notation as in einops (Rogozhnikov 2022): 'b (h d) t -> b t h d'.

type Group = string[]
type Sizes = Record<string, number>

function fail(pattern: string, reason: string): never {
  throw new ShapeError('einops-pattern', `Pattern '${pattern}': ${reason}.`)
}

/** 'b (h d) 1' -> [['b'], ['h', 'd'], []]; '...' stands for a run of axes named by the caller. */
function parseSide(side: string, pattern: string): Group[] {
  const groups: Group[] = []
  let open: Group | null = null
  for (const token of side.match(/\(|\)|\.\.\.|[^\s()]+/g) ?? []) {
    if (token === '(') {
      if (open) fail(pattern, 'parentheses cannot nest')
      open = []
    } else if (token === ')') {
      if (!open) fail(pattern, "a ')' without '('")
      groups.push(open)
      open = null
    } else {
      if (token !== '...' && !/^[A-Za-z_]\w*$|^1$/.test(token)) fail(pattern, `'${token}' is no axis name`)
      const axis = token === '1' ? [] : [token]
      if (open) open.push(...axis)
      else groups.push(axis)
    }
  }
  if (open) fail(pattern, "a '(' without ')'")
  return groups
}

function parse(pattern: string, rank: number): { left: Group[]; right: Group[] } {
  const sides = pattern.split('->')
  if (sides.length !== 2) fail(pattern, "wanted one '->'")
  let [left, right] = sides.map((side) => parseSide(side, pattern)) as [Group[], Group[]]
  const dots = (groups: Group[]) => groups.some((group) => group.includes('...'))
  if (dots(left)) {
    const names = Array.from({ length: rank - left.length + 1 }, (_, i) => `...${i}`)
    const expand = (groups: Group[]): Group[] =>
      groups.flatMap((group) =>
        group.length === 1 && group[0] === '...'
          ? names.map((name) => [name])
          : [group.flatMap((axis) => (axis === '...' ? names : [axis]))],
      )
    left = expand(left)
    right = expand(right)
  } else if (dots(right)) fail(pattern, "'...' only on the right")
  for (const groups of [left, right]) {
    const axes = groups.flat()
    if (new Set(axes).size !== axes.length) fail(pattern, 'an axis stands twice on one side')
  }
  return { left, right }
}

/** Sizes of all axes of the left side, from the shape and the given ones. */
function solve(pattern: string, left: Group[], shape: number[], given: Sizes): Sizes {
  if (left.length !== shape.length) fail(pattern, `wanted a tensor of rank ${left.length}, got [${shape}]`)
  const sizes: Sizes = { ...given }
  left.forEach((group, i) => {
    const unknown = group.filter((axis) => sizes[axis] === undefined)
    const known = group.reduce((size, axis) => size * (sizes[axis] ?? 1), 1)
    if (unknown.length > 1) fail(pattern, `the sizes of ${unknown.join(', ')} cannot be told apart; give one`)
    if (unknown.length === 1) {
      if (shape[i]! % known !== 0) fail(pattern, `axis ${i} of [${shape}] does not divide by ${known}`)
      sizes[unknown[0]!] = shape[i]! / known
    } else if (known !== shape[i]) fail(pattern, `axis ${i} of [${shape}] must have ${known} elements`)
  })
  return sizes
}

const product = (group: Group, sizes: Sizes) => group.reduce((size, axis) => size * sizes[axis]!, 1)

function transposed(x: Tensor, order: number[]): Tensor {
  return order.every((axis, i) => axis === i) ? x : tf.transpose(x, order)
}

/** Splits, permutes and joins axes: `rearrange(x, 'b t (h d) -> b h t d', { h: 8 })`. */
export function rearrange<R extends Tensor = Tensor>(x: Tensor, pattern: string, sizes: Sizes = {}): R {
  const { left, right } = parse(pattern, x.rank)
  const all = solve(pattern, left, x.shape, sizes)
  const from = left.flat()
  const to = right.flat()
  const unmatched = [...from, ...to].filter((axis) => !from.includes(axis) || !to.includes(axis))
  if (unmatched.length) fail(pattern, `${unmatched.join(', ')} must stand on both sides; use repeat or reduce`)
  const split = tf.reshape(
    x,
    from.map((axis) => all[axis]!),
  )
  const moved = transposed(
    split,
    to.map((axis) => from.indexOf(axis)),
  )
  return tf.reshape(
    moved,
    right.map((group) => product(group, all)),
  ) as R
}

/** Like rearrange, with new axes on the right whose sizes are given: `repeat(x, 'h w -> h w c', { c: 3 })`. */
export function repeat<R extends Tensor = Tensor>(x: Tensor, pattern: string, sizes: Sizes = {}): R {
  const { left, right } = parse(pattern, x.rank)
  const from = left.flat()
  const to = right.flat()
  const fresh = to.filter((axis) => !from.includes(axis))
  const lost = from.filter((axis) => !to.includes(axis))
  if (lost.length) fail(pattern, `${lost.join(', ')} is lost; use reduce`)
  const known = Object.fromEntries(Object.entries(sizes).filter(([axis]) => !fresh.includes(axis)))
  const all = solve(pattern, left, x.shape, known)
  for (const axis of fresh) {
    if (sizes[axis] === undefined) fail(pattern, `the new axis ${axis} needs a size`)
    all[axis] = sizes[axis]
  }
  const kept = to.filter((axis) => from.includes(axis))
  const split = tf.reshape(
    x,
    from.map((axis) => all[axis]!),
  )
  const moved = transposed(
    split,
    kept.map((axis) => from.indexOf(axis)),
  )
  const withOnes = tf.reshape(
    moved,
    to.map((axis) => (fresh.includes(axis) ? 1 : all[axis]!)),
  )
  const full = fresh.length
    ? tf.broadcastTo(
        withOnes,
        to.map((axis) => all[axis]!),
      )
    : withOnes
  return tf.reshape(
    full,
    right.map((group) => product(group, all)),
  ) as R
}

const REDUCTIONS = { sum: tf.sum, mean: tf.mean, max: tf.max, min: tf.min, prod: tf.prod }

/** Reduces the axes that do not stand on the right: `reduce(x, 'b (h p) c -> b h c', 'mean', { p: 2 })`. */
export function reduce<R extends Tensor = Tensor>(
  x: Tensor,
  pattern: string,
  operation: keyof typeof REDUCTIONS,
  sizes: Sizes = {},
): R {
  const { left, right } = parse(pattern, x.rank)
  const all = solve(pattern, left, x.shape, sizes)
  const from = left.flat()
  const to = right.flat()
  const fresh = to.filter((axis) => !from.includes(axis))
  if (fresh.length) fail(pattern, `${fresh.join(', ')} is new on the right; use repeat`)
  const gone = from.filter((axis) => !to.includes(axis))
  const split = tf.reshape(
    x,
    from.map((axis) => all[axis]!),
  )
  const reduced = gone.length
    ? REDUCTIONS[operation](
        split,
        gone.map((axis) => from.indexOf(axis)),
      )
    : split
  const remaining = from.filter((axis) => to.includes(axis))
  const moved = transposed(
    reduced,
    to.map((axis) => remaining.indexOf(axis)),
  )
  return tf.reshape(
    moved,
    right.map((group) => product(group, all)),
  ) as R
}

/** Einstein summation of one or more tensors: `einsum('b t h d, b s h d -> b h t s', q, k)`, or 'bthd,bshd->bhts'. */
export function einsum<R extends Tensor = Tensor>(pattern: string, ...tensors: Tensor[]): R {
  const [inputs, output] = pattern.split('->') as [string, string | undefined]
  if (output === undefined) fail(pattern, "wanted '->' and the axes of the result")
  const axes = (side: string) => {
    const text = side.trim()
    return /\s/.test(text) ? text.split(/\s+/) : [...text]
  }
  const operands = inputs.split(',').map(axes)
  if (operands.length !== tensors.length) fail(pattern, `wanted ${operands.length} tensors, got ${tensors.length}`)
  const result = axes(output)
  const sizes: Sizes = {}
  operands.forEach((names, i) => {
    const { shape } = tensors[i]!
    if (names.length !== shape.length) fail(pattern, `operand ${i} has ${names.length} axes, its tensor is [${shape}]`)
    if (new Set(names).size !== names.length) fail(pattern, `operand ${i} names an axis twice; diagonals are not taken`)
    names.forEach((name, a) => {
      sizes[name] ??= shape[a]!
      if (sizes[name] !== shape[a]) fail(pattern, `axis ${name} is ${sizes[name]} and ${shape[a]}`)
    })
  })
  const unknown = result.filter((name) => sizes[name] === undefined)
  if (unknown.length) fail(pattern, `${unknown.join(', ')} of the result stands in no operand`)
  if (new Set(result).size !== result.length) fail(pattern, 'the result names an axis twice')

  let x = tensors[0]!
  let names = operands[0]!
  for (let i = 1; i < tensors.length; i++) {
    const later = new Set([...result, ...operands.slice(i + 1).flat()])
    ;({ x, names } = contract({ x, names }, { x: tensors[i]!, names: operands[i]! }, later, sizes))
  }
  const gone = names.filter((name) => !result.includes(name))
  if (gone.length) {
    x = tf.sum(
      x,
      gone.map((name) => names.indexOf(name)),
    )
    names = names.filter((name) => result.includes(name))
  }
  return transposed(
    x,
    result.map((name) => names.indexOf(name)),
  ) as R
}

interface Named {
  x: Tensor
  names: string[]
}

/** Two operands by one batched product; axes that nothing later wants are summed. */
function contract(a: Named, b: Named, later: Set<string>, sizes: Sizes): Named {
  const alone = (of: Named, other: Named): Named => {
    const gone = of.names.filter((name) => !later.has(name) && !other.names.includes(name))
    if (!gone.length) return of
    return {
      x: tf.sum(
        of.x,
        gone.map((name) => of.names.indexOf(name)),
      ),
      names: of.names.filter((name) => !gone.includes(name)),
    }
  }
  a = alone(a, b)
  b = alone(b, a)
  const shared = a.names.filter((name) => b.names.includes(name))
  const batch = shared.filter((name) => later.has(name))
  const inner = shared.filter((name) => !later.has(name))
  const freeA = a.names.filter((name) => !shared.includes(name))
  const freeB = b.names.filter((name) => !shared.includes(name))
  const matrix = (of: Named, rows: string[], columns: string[]) =>
    tf.reshape(
      transposed(
        of.x,
        [...batch, ...rows, ...columns].map((name) => of.names.indexOf(name)),
      ),
      [product(batch, sizes), product(rows, sizes), product(columns, sizes)],
    )
  const names = [...batch, ...freeA, ...freeB]
  const y = matMul(matrix(a, freeA, inner), matrix(b, inner, freeB))
  return {
    x: tf.reshape(
      y,
      names.map((name) => sizes[name]!),
    ),
    names,
  }
}
