// The matrix of the fused kernels, over odd shapes; run once for each build and thread count.

import { dropoutMask, useBackend } from '@filature/tensor'
import * as tf from '@tensorflow/tfjs-core'
import { beforeAll, describe, expect, test } from 'vitest'
import { type WasmOptions, wasm } from '../index.ts'
import { check, ids, random, relativeError, toTensor } from './checks.ts'
import * as reference from './reference.ts'

export const ACTIVATIONS = ['none', 'relu', 'gelu', 'gelu_tanh', 'silu', 'tanh', 'sigmoid', 'quick_gelu']

export function describeKernels(options: WasmOptions): void {
  beforeAll(async () => {
    const { report } = await useBackend(wasm(options))
    expect(report.threads).toBe(options.threads)
  })

  test('multiply-adds are counted, on each thread', () => {
    tf.tidy(() => {
      const done = tf.engine().runKernel('FilatureMultiplyAdds', {}, { rounds: 1000 }) as unknown as tf.Tensor[]
      const chains = options.relaxedSimd ? 10 : 12
      expect(done[0]!.dataSync()[0]).toBe(8 * chains * 1000 * options.threads!)
    })
  })

  describe('products', () => {
    const sizes = [
      [1, 1, 1],
      [1, 67, 33],
      [3, 5, 7],
      [4, 8, 16],
      [5, 9, 3],
      [17, 31, 300],
      [97, 129, 65],
      [70, 520, 257],
    ] as const
    for (const [M, N, K] of sizes) {
      for (const ta of [false, true]) {
        for (const tb of [false, true]) {
          test(`${M} x ${N} x ${K}${ta ? ', a transposed' : ''}${tb ? ', b transposed' : ''}`, () => {
            const a = random(ta ? [K, M] : [M, K], 1)
            const b = random(tb ? [N, K] : [K, N], 2)
            tf.tidy(() => {
              const y = tf.matMul(toTensor(a) as tf.Tensor2D, toTensor(b) as tf.Tensor2D, ta, tb)
              expect(relativeError(y.dataSync(), reference.matmul(a, b, ta, tb).data)).toBeLessThan(3e-6)
            })
          })
        }
      }
    }
    for (const [lead, other] of [
      [
        [3, 2],
        [3, 2],
      ],
      [[3, 2], []],
      [[], [5]],
      [[9], [9]],
    ] as const) {
      test(`batches [${lead}] and [${other}]`, () => {
        const a = random([...lead, 13, 21], 3)
        const b = random([...other, 21, 10], 4)
        tf.tidy(() => {
          const y = tf.matMul(toTensor(a), toTensor(b))
          expect(relativeError(y.dataSync(), reference.matmul(a, b).data)).toBeLessThan(3e-6)
        })
      })
    }
    test('batches that broadcast on both sides', () => {
      const a = random([2, 1, 3, 4], 5)
      const b = random([1, 3, 4, 5], 6)
      tf.tidy(() => {
        const y = tf.matMul(toTensor(a), toTensor(b))
        expect(y.shape).toEqual([2, 3, 3, 5])
        for (let i = 0; i < 2; i++) {
          for (let j = 0; j < 3; j++) {
            const one = { shape: [3, 4], data: a.data.subarray(i * 12, i * 12 + 12) }
            const two = { shape: [4, 5], data: b.data.subarray(j * 20, j * 20 + 20) }
            const got = (y.dataSync() as Float32Array).subarray((i * 3 + j) * 15, (i * 3 + j + 1) * 15)
            expect(relativeError(got, reference.matmul(one, two).data)).toBeLessThan(3e-6)
          }
        }
      })
    })
  })

  describe('linear', () => {
    for (const activation of ACTIVATIONS) {
      test(activation, () => {
        for (const [lead, I, O] of [
          [[1], 5, 3],
          [[2, 3], 7, 9],
          [[70], 40, 37],
          [[2, 33], 34, 70],
        ] as const) {
          const inputs = { x: random([...lead, I], 1), weight: random([O, I], 2, 0.4), bias: random([O], 3) }
          const define = (changed: reference.Arrays) => [reference.linear(changed, { activation })]
          const hidden = activation === 'none' ? [] : ['z']
          // relu has a kink: finite differences near it are no reference
          const wrt = activation === 'relu' ? [] : ['x', 'weight', 'bias']
          check({ op: 'Linear', inputs, attrs: { activation }, outputs: ['y'], hidden, define, wrt })
        }
      })
    }
    test('without bias, one gradient alone', () => {
      const inputs = { x: random([3, 6], 1), weight: random([4, 6], 2) }
      const define = (changed: reference.Arrays) => [reference.linear(changed, { activation: 'none' })]
      for (const wrt of [['x'], ['weight']]) {
        check({ op: 'Linear', inputs, attrs: { activation: 'none' }, outputs: ['y'], define, wrt })
      }
    })
  })

  describe('activations', () => {
    for (const kind of ACTIVATIONS.slice(1)) {
      test(kind, () => {
        for (const shape of [[1], [3], [5, 7], [9001]]) {
          const inputs = { x: random(shape, 8, 2) }
          const define = ({ x }: reference.Arrays) => [reference.map(x!, reference.functions[kind]!)]
          const wrt = kind === 'relu' ? [] : ['x']
          check({ op: 'Activation', inputs, attrs: { kind }, outputs: ['y'], define, wrt, forward: 1e-6 })
        }
      })
    }
    test('SwiGLU', () => {
      for (const shape of [[3], [2, 5], [4099]]) {
        const inputs = { gate: random(shape, 1, 2), up: random(shape, 2) }
        const define = ({ gate, up }: reference.Arrays) => [
          reference.map(gate!, (g, i) => reference.functions.silu!(g) * up!.data[i]!),
        ]
        for (const wrt of [['gate', 'up'], ['up']]) check({ op: 'SwiGLU', inputs, outputs: ['y'], define, wrt })
      }
    })
    test('erf, exp, tanh and sigmoid over their range, with NaN and the infinities', () => {
      const x = Float32Array.from({ length: 4001 }, (_, i) => (i - 2000) / 20)
      const cases = { Erf: reference.erf, Exp: Math.exp, Tanh: Math.tanh, Sigmoid: reference.functions.sigmoid! }
      for (const [name, f] of Object.entries(cases)) {
        tf.tidy(() => {
          const got = (tf.engine().runKernel(name, { x: tf.tensor1d(x) }) as unknown as tf.Tensor).dataSync()
          x.forEach((v, i) => {
            const wanted = f(v)
            const tolerance = name === 'Exp' ? 4e-7 * wanted + 2e-45 : 1.3e-7
            if (wanted < 3.4e38) expect(Math.abs(got[i]! - wanted), `${name}(${v})`).toBeLessThanOrEqual(tolerance)
            else expect(got[i]).toBe(Number.POSITIVE_INFINITY)
          })
          const ends = tf.tensor1d([Number.NaN, Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY])
          const at = (tf.engine().runKernel(name, { x: ends }) as unknown as tf.Tensor).dataSync()
          expect(at[0]).toBeNaN()
          expect(Array.from(at.slice(1))).toEqual(
            { Erf: [1, -1], Exp: [Number.POSITIVE_INFINITY, 0], Tanh: [1, -1], Sigmoid: [1, 0] }[name],
          )
        })
      }
    })
  })

  describe('norms', () => {
    for (const [lead, C] of [
      [[1], 1],
      [[3], 5],
      [[2, 3], 8],
      [[67], 33],
      [[5], 2050],
    ] as const) {
      test(`${lead} rows of ${C}`, () => {
        const x = random([...lead, C], 1)
        const weight = random([C], 2)
        const bias = random([C], 3)
        const attrs = { eps: 1e-5 }
        const layer = (changed: reference.Arrays) => [reference.norm(changed, attrs, false)]
        const rms = (changed: reference.Arrays) => [reference.norm(changed, attrs, true)]
        const wide = { outputs: ['y'], attrs, gradient: C === 1 ? 1e-2 : 2e-5 }
        const hidden = ['mean', 'rstd']
        check({
          op: 'LayerNorm',
          inputs: { x, weight, bias },
          define: layer,
          wrt: ['x', 'weight', 'bias'],
          hidden,
          ...wide,
        })
        check({ op: 'LayerNorm', inputs: { x, weight, bias }, define: layer, wrt: ['bias'], hidden, ...wide })
        check({ op: 'LayerNorm', inputs: { x }, define: layer, wrt: ['x'], hidden, ...wide })
        check({ op: 'RMSNorm', inputs: { x, weight }, define: rms, wrt: ['x', 'weight'], hidden: ['rstd'], ...wide })
      })
    }
  })

  describe('attention', () => {
    const plain = { scale: 0.4, causal: false, window: null, dropout: null }
    const dropout = { rate: 0.3, key: [7, 3_000_000_000] as [number, number], counter: [1, 2] as [number, number] }
    const cases: [string, number[], Partial<reference.AttentionAttrs>, number[]?][] = [
      ['plain', [2, 3, 5, 2, 2, 4, 3], {}],
      ['causal', [1, 7, 7, 2, 2, 4, 4], { causal: true }],
      ['causal with more keys than queries', [1, 3, 8, 2, 1, 4, 4], { causal: true }],
      ['causal with fewer keys than queries: empty rows', [1, 6, 4, 2, 1, 4, 4], { causal: true }],
      ['window', [1, 9, 9, 1, 1, 3, 3], { window: [2, 1] }],
      ['causal window, grouped heads', [2, 8, 8, 4, 2, 3, 5], { causal: true, window: [3, 0] }],
      ['bias per head', [2, 4, 6, 2, 2, 3, 3], {}, [1, 2, 4, 6]],
      ['bias per key', [2, 4, 6, 2, 2, 3, 3], {}, [2, 1, 1, 6]],
      ['bias per query', [2, 4, 6, 2, 2, 3, 3], {}, [1, 1, 4, 1]],
      ['dropout', [2, 5, 7, 2, 2, 3, 3], { dropout }],
      ['one query over a cache', [2, 1, 150, 4, 2, 8, 8], {}],
      ['many tiles', [1, 150, 270, 2, 1, 16, 8], { causal: true }],
      ['many tiles, window and dropout', [1, 140, 140, 2, 2, 8, 8], { window: [20, 11], dropout }],
      ['many tiles, causal with fewer keys than queries', [1, 290, 139, 1, 1, 8, 8], { causal: true }],
      ['many tiles, a narrow window', [1, 261, 261, 1, 1, 4, 4], { window: [2, 5] }],
      ['many tiles, causal, bias', [1, 131, 150, 2, 1, 4, 8], { causal: true }, [1, 2, 131, 150]],
    ]
    for (const [name, [B, T, S, H, G, D, E], attrs, biasShape] of cases as [
      string,
      [number, number, number, number, number, number, number],
      Partial<reference.AttentionAttrs>,
      number[]?,
    ][]) {
      test(name, () => {
        const all = { ...plain, ...attrs }
        const inputs = {
          q: random([B, T, H, D], 1),
          k: random([B, S, G, D], 2),
          v: random([B, S, G, E], 3),
          ...(biasShape ? { bias: random(biasShape, 4) } : {}),
        }
        const define = (changed: reference.Arrays) => [reference.attention(changed, all)]
        const wrt = ['q', 'k', 'v', ...(biasShape ? ['bias'] : [])]
        check({ op: 'Attention', inputs, attrs: all, outputs: ['out'], hidden: ['lse'], define, wrt })
      })
    }
    test('a bias of -inf excludes; a row of nothing else is zero, and so are its gradients', () => {
      const [B, T, S, H, D] = [1, 3, 4, 2, 4]
      const bias = {
        shape: [1, 1, T, S],
        data: Float64Array.from({ length: T * S }, (_, i) => (i < S || i % 3 === 0 ? -Infinity : 0)),
      }
      const inputs = { q: random([B, T, H, D], 1), k: random([B, S, H, D], 2), v: random([B, S, H, D], 3), bias }
      const define = (changed: reference.Arrays) => [reference.attention(changed, plain)]
      check({ op: 'Attention', inputs, attrs: plain, outputs: ['out'], hidden: ['lse'], define, wrt: ['q', 'k', 'v'] })
    })
  })

  test('rotary', () => {
    for (const interleaved of [false, true]) {
      for (const inverse of [false, true]) {
        for (const [cosShape, D] of [
          [[5, 3], 6],
          [[2, 5, 3], 9],
          [[5, 8], 16],
        ] as const) {
          const inputs = { x: random([2, 5, 3, D], 1), cos: random([...cosShape], 2), sin: random([...cosShape], 3) }
          const attrs = { interleaved, inverse }
          const define = (changed: reference.Arrays) => [reference.rotary(changed, attrs)]
          check({ op: 'Rotary', inputs, attrs, outputs: ['y'], define, wrt: ['x'] })
        }
      }
    }
  })

  test('cross-entropy', () => {
    for (const labelSmoothing of [0, 0.1]) {
      for (const [N, V] of [
        [1, 2],
        [6, 7],
        [33, 65],
        [40, 5003],
      ] as const) {
        const labels = ids(Array.from({ length: N }, (_, i) => (i % 5 === 3 ? -100 : (i * 7) % V)))
        const inputs = { logits: random([N, V], 1, 3), labels }
        const attrs = { ignoreIndex: -100, labelSmoothing, reduction: 'none' as const }
        const define = (changed: reference.Arrays) => [reference.crossEntropy(changed, attrs)]
        check({ op: 'SoftmaxCrossEntropy', inputs, attrs, outputs: ['loss'], hidden: ['lse'], define, wrt: ['logits'] })
      }
    }
  })

  test('embedding', () => {
    for (const [V, C, list] of [
      [5, 3, [0, 4, 4, 1]],
      [11, 34, [10, 0, 3, 3, 3, 7]],
      [3, 1, [1, 2]],
    ] as const) {
      for (const paddingIdx of [null, 1]) {
        const inputs = { weight: random([V, C], 1), ids: ids([...list], [2, list.length / 2]) }
        const frozen = inputs.weight
        // the padding row's value passes, its gradient does not
        const define = ({ weight }: reference.Arrays) => {
          const rows = list.flatMap((id) =>
            Array.from((id === paddingIdx ? frozen : weight!).data.subarray(id * C, id * C + C)),
          )
          return [{ shape: [2, list.length / 2, C], data: Float64Array.from(rows) }]
        }
        check({ op: 'Embedding', inputs, attrs: { paddingIdx }, outputs: ['y'], define, wrt: ['weight'] })
      }
    }
  })

  test('dropout draws what the definition draws', () => {
    for (const n of [1, 7, 64, 1001, 40_003]) {
      for (const rate of [0.1, 0.5, 1]) {
        const attrs = { rate, key: [5, 4_000_000_000] as [number, number], counter: [9, 3] as [number, number] }
        const mask = dropoutMask([n], attrs)
        const factors = mask.dataSync()
        mask.dispose()
        const define = ({ x }: reference.Arrays) => [reference.map(x!, (v, i) => v * factors[i]!)]
        check({ op: 'Dropout', inputs: { x: random([n], 1) }, attrs, outputs: ['y'], define, wrt: ['x'] })
      }
    }
  })

  describe('recurrent', () => {
    for (const mode of ['tanh', 'relu', 'lstm', 'gru'] as const) {
      for (const reverse of [false, true]) {
        test(`${mode}${reverse ? ', reverse' : ''}`, () => {
          const n = { tanh: 1, relu: 1, lstm: 4, gru: 3 }[mode]
          for (const [T, B, I, H, biased] of [
            [1, 1, 2, 3, true],
            [4, 2, 3, 5, true],
            [6, 3, 4, 4, false],
            [5, 9, 20, 34, true],
          ] as const) {
            const inputs: reference.Arrays = {
              x: random([T, B, I], 1),
              h0: random([B, H], 2),
              ...(mode === 'lstm' ? { c0: random([B, H], 3) } : {}),
              w_ih: random([n * H, I], 4, 0.4),
              w_hh: random([n * H, H], 5, 0.3),
              ...(biased ? { b_ih: random([n * H], 6), b_hh: random([n * H], 7) } : {}),
            }
            const attrs = { mode, reverse }
            const outputs = mode === 'lstm' ? ['out', 'h', 'c'] : ['out', 'h']
            const define = (changed: reference.Arrays) => reference.recurrent(changed, attrs)
            const wrt = mode === 'relu' ? [] : Object.keys(inputs)
            check({ op: 'Recurrent', inputs, attrs, outputs, hidden: ['reserve'], define, wrt, gradient: 3e-5 })
          }
        })
      }
    }
  })
}
