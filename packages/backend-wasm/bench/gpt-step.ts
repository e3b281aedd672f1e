// One training step of the small GPT setting (6 layers of 384, 6 heads, context 256), without the optimizer:
// node --conditions=@filature/source --import tsx bench/gpt-step.ts [threads] [relaxed] [batch]
import {
  attention,
  dispose,
  embedding,
  layerNorm,
  linear,
  mean,
  softmaxCrossEntropy,
  type Tensor,
  tidy,
  useBackend,
  valueAndGradsOf,
} from '@filature/tensor'
import * as tf from '@tensorflow/tfjs-core'
import { wasm } from '../src/index.ts'

const [threads = '1', relaxed = '', batch = '1'] = process.argv.slice(2)
await useBackend(wasm({ threads: Number(threads), relaxedSimd: relaxed === 'relaxed' }))

const [B, T, C, H, L, V] = [Number(batch), 256, 384, 6, 6, 65]
const weight = (...shape: number[]) => tf.mul(tf.randomNormal(shape), 0.02)
const blocks = Array.from({ length: L }, () => ({
  ln1: tf.ones([C]) as Tensor,
  b1: tf.zeros([C]) as Tensor,
  qkv: weight(3 * C, C),
  qkvBias: tf.zeros([3 * C]) as Tensor,
  proj: weight(C, C),
  projBias: tf.zeros([C]) as Tensor,
  ln2: tf.ones([C]) as Tensor,
  b2: tf.zeros([C]) as Tensor,
  up: weight(4 * C, C),
  upBias: tf.zeros([4 * C]) as Tensor,
  down: weight(C, 4 * C),
  downBias: tf.zeros([C]) as Tensor,
}))
const wte = weight(V, C)
const wpe = weight(T, C)
const parameters = [wte, wpe, ...blocks.flatMap((block) => Object.values(block))]
const ids = tf.tensor(
  Int32Array.from({ length: B * T }, (_, i) => (i * 31) % V),
  [B, T],
  'int32',
)
const targets = tf.tensor(
  Int32Array.from({ length: B * T }, (_, i) => (i * 17) % V),
  [B * T],
  'int32',
)
const positions = tf.range(0, T, 1, 'int32')

function loss(): tf.Scalar {
  let x: Tensor = tf.add(embedding(wte, ids), embedding(wpe, positions))
  for (const b of blocks) {
    const [q, k, v] = tf.split(linear(layerNorm(x, b.ln1, b.b1), b.qkv, b.qkvBias), 3, 2)
    const heads = (t: Tensor) => tf.reshape(t, [B, T, H, C / H]) as tf.Tensor4D
    const a = tf.reshape(attention(heads(q!), heads(k!), heads(v!), { causal: true }), [B, T, C])
    x = tf.add(x, linear(a, b.proj, b.projBias))
    x = tf.add(x, linear(linear(layerNorm(x, b.ln2, b.b2), b.up, b.upBias, 'gelu'), b.down, b.downBias))
  }
  const logits = tf.reshape(linear(x, wte), [B * T, V])
  return mean(softmaxCrossEntropy(logits, targets)) as tf.Scalar
}

function step(): number {
  const start = performance.now()
  tidy(() => {
    const { value, grads } = valueAndGradsOf(loss, parameters)
    value.dataSync()
    dispose(grads as never)
  })
  return performance.now() - start
}

const rounds = Number(process.env.ROUNDS ?? 12)
for (let i = 0; i < 4; i++) step()
const times = Array.from({ length: rounds }, step).sort((a, b) => a - b)
console.log(
  `step ${times[rounds >> 1]!.toFixed(0)} ms median, ${times[0]!.toFixed(0)} best (batch ${B}, ${threads} threads ${relaxed})`,
)

if (process.env.PROFILE) {
  const spent = new Map<string, [ms: number, calls: number]>()
  for (const config of tf.getKernelsForBackend('wasm')) {
    tf.unregisterKernel(config.kernelName, 'wasm')
    tf.registerKernel({
      ...config,
      kernelFunc: (call) => {
        const start = performance.now()
        const out = config.kernelFunc(call)
        const [ms, calls] = spent.get(config.kernelName) ?? [0, 0]
        spent.set(config.kernelName, [ms + performance.now() - start, calls + 1])
        return out
      },
    })
  }
  const total = step()
  for (const [name, [ms, calls]] of [...spent].sort((a, b) => b[1][0] - a[1][0]).slice(0, 14)) {
    console.log(`${ms.toFixed(1).padStart(8)} ms ${String(calls).padStart(5)} ${name}`)
  }
  console.log(`${total.toFixed(1).padStart(8)} ms in all`)
}
process.exit(0)
