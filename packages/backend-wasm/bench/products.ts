// Products of 512 cubed by tfjs' engine and by ours, in turns, in processor time of one thread:
// node --conditions=@filature/source --import tsx bench/products.ts [relaxed]
import { useBackend } from '@filature/tensor'
import * as tf from '@tensorflow/tfjs-core'
import { wasm } from '../src/index.ts'

const N = 512
const theirs = tf.getKernel('BatchMatMul', 'wasm')!.kernelFunc
await useBackend(wasm({ threads: 1, relaxedSimd: process.argv[2] === 'relaxed' }))
const ours = tf.getKernel('BatchMatMul', 'wasm')!.kernelFunc
const [a, b] = [tf.randomNormal([1, N, N]), tf.randomNormal([1, N, N])]
const backend = tf.backend()

function cost(kernel: typeof ours, transposeA: boolean, transposeB: boolean): number {
  const before = process.cpuUsage()
  const call = { inputs: { a, b }, attrs: { transposeA, transposeB }, backend }
  backend.disposeData((kernel(call as never) as tf.TensorInfo).dataId)
  const { user, system } = process.cpuUsage(before)
  return (user + system) / 1000
}

const middle = (x: number[]) => x.sort((p, q) => p - q)[x.length >> 1]!
for (const [name, ta, tb] of [
  ['A B', false, false],
  ['A B^T', false, true],
  ['A^T B', true, false],
] as const) {
  for (let i = 0; i < 3; i++) [theirs, ours].map((kernel) => cost(kernel, ta, tb))
  const pairs = Array.from({ length: 9 }, () => [cost(theirs, ta, tb), cost(ours, ta, tb)] as const)
  const [t, o] = [middle(pairs.map(([x]) => x)), middle(pairs.map(([, x]) => x))]
  const ratio = middle(pairs.map(([x, y]) => x / y))
  console.log(`${name}: tfjs ${t.toFixed(1)} ms, ours ${o.toFixed(1)} ms, ${ratio.toFixed(1)} times as fast`)
}
process.exit(0)
