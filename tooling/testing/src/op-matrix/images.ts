import * as t from '@filature/tensor'
import { type Entry, normal, of } from './entry.ts'

const convolution = (options: t.WindowOptions) =>
  [
    { x: normal([2, 3, 7, 9]), weight: normal([4, 3, 3, 2]), bias: normal([4]) },
    ({ x, weight, bias }: Record<string, t.Tensor4D>) => t.conv2d(x!, weight!, bias, options),
  ] as const

const resize = (size: [number, number], mode: t.Interpolation, alignCorners = false) =>
  [
    { x: normal([2, 3, 5, 7]) },
    ({ x }: Record<string, t.Tensor4D>) => t.interpolate(x!, size, mode, { alignCorners }),
  ] as const

export const images: Entry[] = [
  ...of('conv2d', {
    plain: convolution({}),
    'stride and padding': convolution({ stride: [2, 1], padding: [1, 0] }),
    dilation: convolution({ dilation: [1, 2], padding: 1 }),
    patches: [
      { x: normal([3, 3, 8, 12]), weight: normal([5, 3, 4, 4]), bias: normal([5]) },
      ({ x, weight, bias }) => t.conv2d(x, weight, bias, { stride: 4 }),
    ],
  }),
  ...of('conv1d', {
    'padding and stride': [
      { x: normal([2, 3, 9]), weight: normal([4, 3, 3]), bias: normal([4]) },
      ({ x, weight, bias }) => t.conv1d(x, weight, bias, { padding: 1, stride: 2 }),
    ],
  }),
  ...of('maxPool2d', {
    'two by two': [{ x: normal([3, 2, 6, 8]) }, ({ x }) => t.maxPool2d(x, 2)],
    'overlapping, padded': [{ x: normal([2, 2, 5, 5]) }, ({ x }) => t.maxPool2d(x, 3, { stride: 2, padding: 1 })],
  }),
  ...of('avgPool2d', {
    'two by two': [{ x: normal([3, 2, 6, 8]) }, ({ x }) => t.avgPool2d(x, 2)],
    'overlapping, padded': [{ x: normal([2, 2, 5, 5]) }, ({ x }) => t.avgPool2d(x, 3, { stride: 2, padding: 1 })],
  }),
  ...of('adaptiveAvgPool2d', {
    'odd windows': [{ x: normal([2, 3, 7, 5]) }, ({ x }) => t.adaptiveAvgPool2d(x, [3, 4])],
  }),
  ...of('interpolate', {
    'bicubic, larger': resize([8, 13], 'bicubic'),
    'bicubic, corners aligned': resize([3, 11], 'bicubic', true),
    bilinear: resize([9, 4], 'bilinear'),
    'bilinear, corners aligned': resize([9, 4], 'bilinear', true),
    nearest: resize([11, 3], 'nearest'),
  }),
]
