import * as t from '@filature/tensor'
import { constant, type Entry, ids, idsOf, normal, of } from './entry.ts'

const constantResult = { withoutGradient: 'its result does not depend on numbers' }

export const shape: Entry[] = [
  ...of('reshape', { 'with -1': [{ x: normal([4, 6, 5]) }, ({ x }) => t.reshape(x, [-1, 10])] }),
  ...of('transpose', {
    matrix: [{ x: normal([7, 5]) }, ({ x }) => t.transpose(x)],
    'heads apart': [{ x: normal([2, 7, 3, 5]) }, ({ x }) => t.transpose(x, [0, 2, 1, 3])],
    'five axes': [{ x: normal([2, 3, 4, 5, 3]) }, ({ x }) => t.transpose(x, [4, 2, 0, 3, 1])],
    large: [{ x: normal([67, 129]) }, ({ x }) => t.transpose(x)],
  }),
  ...of('expandDims', { 'in the middle': [{ x: normal([3, 5]) }, ({ x }) => t.expandDims(x, 1)] }),
  ...of('squeeze', { one: [{ x: normal([3, 1, 5, 1]) }, ({ x }) => t.squeeze(x, [1])] }),
  ...of('broadcastTo', {
    'new and stretched axes': [{ x: normal([3, 1]) }, ({ x }) => t.broadcastTo(x, [2, 3, 5])],
    'five axes': [{ x: normal([2, 1, 3, 1, 2]) }, ({ x }) => t.broadcastTo(x, [2, 4, 3, 2, 2])],
  }),
  ...of('tile', {
    'two axes': [{ x: normal([2, 3]) }, ({ x }) => t.tile(x, [3, 2])],
    'five axes': [{ x: normal([2, 1, 3, 2, 2]) }, ({ x }) => t.tile(x, [2, 3, 1, 2, 2])],
    'six axes': [{ x: normal([2, 1, 2, 3, 1, 2]) }, ({ x }) => t.tile(x, [1, 2, 2, 1, 3, 2])],
  }),
  ...of('concat', {
    'last axis': [{ a: normal([3, 2]), b: normal([3, 5]) }, ({ a, b }) => t.concat([a, b], 1)],
    'middle axis': [{ a: normal([2, 1, 4]), b: normal([2, 3, 4]) }, ({ a, b }) => t.concat([a, b], 1)],
    'a tensor with itself': [{ a: normal([3, 4]) }, ({ a }) => t.concat([a, a])],
    'an empty part': [{ a: normal([0, 4]), b: normal([2, 4]) }, ({ a, b }) => t.concat([a, b])],
  }),
  ...of('stack', {
    'first axis': [{ a: normal([3, 4]), b: normal([3, 4]) }, ({ a, b }) => t.stack([a, b])],
    'last axis': [{ a: normal([3, 4]), b: normal([3, 4]) }, ({ a, b }) => t.stack([a, b], 2)],
  }),
  ...of('unstack', {
    all: [{ x: normal([3, 4, 2]) }, ({ x }) => t.unstack(x, 1)],
    'one used': [{ x: normal([3, 4]) }, ({ x }) => t.mul(t.unstack(x)[1]!, 2)],
    'one part': [{ x: normal([3, 1, 4]) }, ({ x }) => t.unstack(x, 1)],
  }),
  ...of('split', {
    equal: [{ x: normal([3, 8]) }, ({ x }) => t.split(x, 4, 1)],
    'by sizes': [{ x: normal([3, 8]) }, ({ x }) => t.split(x, [5, 1, 2], 1)],
    'one used': [{ x: normal([3, 8]) }, ({ x }) => t.mul(t.split(x, 2, 1)[1]!, 2)],
    'one part': [{ x: normal([3, 8]) }, ({ x }) => t.split(x, 1, 1)],
  }),
  ...of('slice', {
    'inner block': [{ x: normal([4, 6, 5]) }, ({ x }) => t.slice(x, [1, 2, 0], [2, 3, -1])],
    'first axis only': [{ x: normal([4, 6]) }, ({ x }) => t.slice(x, [2])],
  }),
  ...of('narrow', {
    'negative bounds': [{ x: normal([4, 6]) }, ({ x }) => t.narrow(x, -1, -4, -1)],
    'to the end': [{ x: normal([4, 6]) }, ({ x }) => t.narrow(x, 0, 1)],
  }),
  ...of('gather', {
    'rows, some twice': [{ x: normal([5, 7]), i: idsOf([6], [4, 0, 4, 2, 2, 2]) }, ({ x, i }) => t.gather(x, i)],
    'second axis': [{ x: normal([3, 5, 2]), i: idsOf([4], [4, 1, 1, 0]) }, ({ x, i }) => t.gather(x, i, 1)],
    'a matrix of ids': [{ x: normal([9, 3]), i: ids([4, 5], 9) }, ({ x, i }) => t.gather(x, i)],
    'last axis': [{ x: normal([2, 3, 11]), i: ids([17], 11) }, ({ x, i }) => t.gather(x, i, 2)],
  }),
  ...of('pad', {
    zeros: [
      { x: normal([2, 3]) },
      ({ x }) =>
        t.pad(x, [
          [1, 0],
          [2, 1],
        ]),
    ],
    'a value': [
      { x: normal([2, 3]) },
      ({ x }) =>
        t.pad(
          x,
          [
            [0, 0],
            [1, 1],
          ],
          -3,
        ),
    ],
  }),
  ...of('reverse', { 'one axis': [{ x: normal([3, 5]) }, ({ x }) => t.reverse(x, 1)] }),
  ...of('clone', { plain: [{ x: normal([3, 5]) }, ({ x }) => t.clone(x)] }),
  ...of('oneHot', {
    'ids in and out of range': [{ i: idsOf([5], [0, 3, 7, -1, 2]) }, ({ i }) => t.oneHot(i, 4), constantResult],
  }),
  ...of('range', { 'by two': [{}, () => t.range(3, 12, 2), constantResult] }),
  ...of('zeros', { matrix: [{}, () => t.zeros([2, 3]), constantResult] }),
  ...of('ones', { matrix: [{}, () => t.ones([2, 3]), constantResult] }),
  ...of('full', { matrix: [{}, () => t.full([2, 3], 1.5), constantResult] }),
  ...of('scalar', { one: [{}, () => t.scalar(2.5), constantResult] }),
  ...of('tensor', {
    nested: [
      {},
      () =>
        t.tensor([
          [1, 2],
          [3, 4],
        ]),
      constantResult,
    ],
  }),
  ...of('zerosLike', { matrix: [{ x: constant([2, 3]) }, ({ x }) => t.zerosLike(x), constantResult] }),
  ...of('onesLike', { matrix: [{ x: constant([2, 3]) }, ({ x }) => t.onesLike(x), constantResult] }),
  ...of('rearrange', {
    'split, permute, join': [{ x: normal([2, 12, 3]) }, ({ x }) => t.rearrange(x, 'b (h d) t -> t b d h', { h: 4 })],
    'patches of an image': [
      { x: normal([2, 3, 4, 6]) },
      ({ x }) => t.rearrange(x, 'b c (h p) (w q) -> b (h w) (p q c)', { p: 2, q: 3 }),
    ],
  }),
  ...of('repeat', {
    'a new axis inside': [{ x: normal([3, 4]) }, ({ x }) => t.repeat(x, 'h w -> h (w r)', { r: 3 })],
    'new axes in front': [{ x: normal([3, 4]) }, ({ x }) => t.repeat(x, 'h w -> b w h', { b: 2 })],
  }),
  ...of('reduce', {
    mean: [{ x: normal([2, 6, 3]) }, ({ x }) => t.reduce(x, 'b (t p) c -> b c t', 'mean', { p: 2 })],
    max: [{ x: normal([2, 6, 3]) }, ({ x }) => t.reduce(x, 'b (t p) c -> b t c', 'max', { p: 3 })],
    sum: [{ x: normal([2, 6, 3]) }, ({ x }) => t.reduce(x, 'b t c -> c', 'sum')],
  }),
  ...of('einsum', {
    'attention scores': [
      { q: normal([2, 5, 3, 4]), k: normal([2, 7, 3, 4]) },
      ({ q, k }) => t.einsum('b t h d, b s h d -> b h t s', q, k),
    ],
    'a bilinear form': [
      { a: normal([2, 3, 4]), w: normal([5, 4, 6]), b: normal([2, 3, 6]) },
      ({ a, w, b }) => t.einsum('bti,oij,btj->bto', a, w, b),
    ],
    'outer product': [{ a: normal([3]), b: normal([4]) }, ({ a, b }) => t.einsum('i,j->ij', a, b)],
    'a sum': [{ a: normal([3, 4, 2]) }, ({ a }) => t.einsum('i j k -> j', a)],
  }),
]
