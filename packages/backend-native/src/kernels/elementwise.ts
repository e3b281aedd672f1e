import { broadcast_util, type TensorInfo } from '@tensorflow/tfjs-core'
import { ACTIVATIONS, BINARY, UNARY } from '../addon.ts'
import { areFloats, Gradients, type Kernel, type Kernels, output, rowsOf, sizeOf } from './kernel.ts'
import { type Axis, broadcastSteps, packWalk, stepsOf } from './walk.ts'

const same = (a: readonly number[], b: readonly number[]) => a.length === b.length && a.every((d, i) => d === b[i])

function binary(op: number): Kernel {
  return ({ a, b }, _, { backend, addon, otherwise }) => {
    if (!areFloats(a, b)) return otherwise()
    const [x, y] = [backend.floats(a!), backend.floats(b!)]
    if (same(a!.shape, b!.shape)) {
      const { info, values } = output(backend, a!.shape)
      addon.binarySame(op, values.length, 1, 1, x, y, values)
      return info
    }
    const shape = broadcast_util.assertAndGetBroadcastShape(a!.shape, b!.shape)
    const n = sizeOf(shape)
    if ((x.length === 1 && y.length === n) || (y.length === 1 && x.length === n)) {
      const { info, values } = output(backend, shape)
      addon.binarySame(op, n, x.length === n ? 1 : 0, y.length === n ? 1 : 0, x, y, values)
      return info
    }
    const [sa, sb, so] = [broadcastSteps(a!.shape, shape), broadcastSteps(b!.shape, shape), stepsOf(shape)]
    const axes: Axis[] = shape.map((size, i) => ({ size, a: sa[i]!, b: sb[i]!, out: so[i]! }))
    const walk = packWalk(axes)
    if (!walk) return otherwise()
    const { info, values } = output(backend, shape)
    addon.binary(op, walk, x, y, values)
    return info
  }
}

function unary(op: number): Kernel {
  return ({ x }, _, { backend, addon, otherwise }) => {
    if (!areFloats(x)) return otherwise()
    const { info, values } = output(backend, x!.shape)
    addon.unary(op, values.length, backend.floats(x!), values)
    return info
  }
}

function activation(kind: (typeof ACTIVATIONS)[number]): Kernel {
  const index = ACTIVATIONS.indexOf(kind)
  return ({ x }, _, { backend, addon, otherwise }) => {
    if (!areFloats(x)) return otherwise()
    const { info, values } = output(backend, x!.shape)
    addon.activation(index, values.length, backend.floats(x!), values)
    return info
  }
}

const exact: Kernels = {}
for (const [name, op] of Object.entries(BINARY)) exact[name] = binary(op)
for (const [name, op] of Object.entries(UNARY)) if (name !== 'Step') exact[name] = unary(op)

export const elementwise: Kernels = {
  ...exact,
  FilatureErf: unary(UNARY.Erf),
  Relu: activation('relu'),
  Sigmoid: activation('sigmoid'),
  Tanh: activation('tanh'),

  Step({ x }, attrs, { backend, addon, otherwise }) {
    if (!areFloats(x) || attrs.alpha) return otherwise()
    const { info, values } = output(backend, x!.shape)
    addon.unary(UNARY.Step, values.length, backend.floats(x!), values)
    return info
  },

  AddN(inputs, _, { backend, addon, otherwise }) {
    const all = inputs as unknown as TensorInfo[]
    if (all.length < 2 || !areFloats(...all)) return otherwise()
    const { info, values } = output(backend, all[0]!.shape)
    addon.binarySame(0, values.length, 1, 1, backend.floats(all[0]!), backend.floats(all[1]!), values)
    for (const x of all.slice(2)) addon.binarySame(0, values.length, 1, 1, values, backend.floats(x), values)
    return info
  },

  Select({ condition, t, e }, _, { backend, addon, otherwise }) {
    const [mask, a] = [condition!, t!]
    const n = sizeOf(mask.shape)
    const fits = areFloats(t, e) && same(a.shape, e!.shape) && mask.dtype === 'bool'
    const whole = same(mask.shape, a.shape)
    if (!fits || !(whole || (mask.shape.length === 1 && mask.shape[0] === a.shape[0]))) return otherwise()
    const { info, values } = output(backend, a.shape)
    const bytes = backend.numbers(mask)
    if (!(bytes instanceof Uint8Array)) {
      backend.disposeData(info.dataId)
      return otherwise()
    }
    addon.select(n, n ? values.length / n : 0, bytes, backend.floats(a), backend.floats(e!), values)
    return info
  },

  FilatureActivation({ x }, { kind }, { backend, addon }) {
    const { info, values } = output(backend, x!.shape)
    addon.activation(ACTIVATIONS.indexOf(kind), values.length, backend.floats(x!), values)
    return [info]
  },

  FilatureActivationGrad({ x, d_y }, { kind }, { backend, addon }) {
    const { info, values } = output(backend, x!.shape)
    const index = ACTIVATIONS.indexOf(kind)
    addon.activationGrad(index, 1, values.length, backend.floats(x!), backend.floats(d_y!), values, null)
    return [info]
  },

  FilatureSwiGLU({ gate, up }, _, { backend, addon }) {
    const { info, values } = output(backend, gate!.shape)
    addon.swiglu(values.length, backend.floats(gate!), backend.floats(up!), values)
    return [info]
  },

  FilatureSwiGLUGrad({ gate, up, d_y }, { needs }, { backend, addon }) {
    const gradients = new Gradients(backend, needs)
    const [g, u, d] = [backend.floats(gate!), backend.floats(up!), backend.floats(d_y!)]
    addon.swigluGrad(d.length, g, u, d, gradients.of('gate', gate), gradients.of('up', up))
    return gradients.results
  },

  Softmax({ logits }, { dim }, { backend, addon, otherwise }) {
    const rank = logits!.shape.length
    if (!areFloats(logits) || rank === 0 || (dim !== -1 && dim !== rank - 1)) return otherwise()
    const { info, values } = output(backend, logits!.shape)
    const [rows, columns] = rowsOf(logits!.shape)
    addon.softmax(rows, columns, false, backend.floats(logits!), values)
    return info
  },

  LogSoftmax({ logits }, { axis }, { backend, addon, otherwise }) {
    const rank = logits!.shape.length
    if (!areFloats(logits) || rank === 0 || (axis !== -1 && axis !== rank - 1)) return otherwise()
    const { info, values } = output(backend, logits!.shape)
    const [rows, columns] = rowsOf(logits!.shape)
    addon.softmax(rows, columns, true, backend.floats(logits!), values)
    return info
  },
}
