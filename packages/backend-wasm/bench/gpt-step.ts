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

const theirs = tf.getKernel('BatchMatMul', 'wasm')
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

function step(): void {
  tidy(() => {
    const { value, grads } = valueAndGradsOf(loss, parameters)
    value.dataSync()
    dispose(grads as never)
  })
}

// On a busy machine: processor time (one thread), beside tfjs' own product of 512 cubed, taken in turns with it.
const rounds = Number(process.env.ROUNDS ?? 12)
const a = tf.randomNormal([1, 512, 512])
const yardstick = () => {
  const call = { inputs: { a, b: a }, attrs: { transposeA: false, transposeB: false }, backend: tf.backend() }
  tf.backend().disposeData((theirs!.kernelFunc(call as never) as tf.TensorInfo).dataId)
}
const cost = (run: () => void): [wall: number, cpu: number] => {
  const start = performance.now()
  const before = process.cpuUsage()
  run()
  const { user, system } = process.cpuUsage(before)
  return [performance.now() - start, (user + system) / 1000]
}
const middle = (x: number[]) => x.sort((p, q) => p - q)[x.length >> 1]!
for (let i = 0; i < 4; i++) step()
for (let i = 0; i < 8; i++) yardstick()
const walls: number[] = []
const cpus: number[] = []
const ratios: number[] = []
for (let i = 0; i < rounds; i++) {
  const before = cost(() => {
    for (let k = 0; k < 8; k++) yardstick()
  })[1]
  const [wall, cpu] = cost(step)
  const after = cost(() => {
    for (let k = 0; k < 8; k++) yardstick()
  })[1]
  walls.push(wall)
  cpus.push(cpu)
  ratios.push(cpu / ((before + after) / 16))
}
console.log(
  `batch ${B}, ${threads} threads ${relaxed}: wall ${middle(walls).toFixed(0)} ms (best ${walls[0]!.toFixed(0)}), ` +
    `processor ${middle(cpus).toFixed(0)} ms (best ${cpus[0]!.toFixed(0)}), ` +
    `${middle(ratios).toFixed(1)} of tfjs' products of 512 cubed`,
)

// What it is made of: every call of our module (processor time where there is one thread), and the rate of its products.
if (process.env.PROFILE) {
  const { kernels } = tf.backend() as unknown as { kernels: { run: Record<string, (...args: number[]) => number> } }
  const ms = ([wall, cpu]: [wall: number, cpu: number]) => (threads === '1' ? cpu : wall)
  const spent = new Map<string, { ms: number; calls: number; flops: number }>()
  kernels.run = Object.fromEntries(
    Object.entries(kernels.run).map(([name, call]) => [
      name,
      (...args: number[]) => {
        const [, , , , M, N, K, count, , , flags] = args as [number, number, number, number, ...number[]]
        const product = name === 'matmul'
        const transposed = product ? ` ${M} x ${N} x ${K}${flags! & 1 ? ' A^T' : ''}${flags! & 2 ? ' B^T' : ''}` : ''
        const line = spent.get(name + transposed) ?? { ms: 0, calls: 0, flops: 0 }
        let result = 0
        line.ms += ms(
          cost(() => {
            result = call(...args)
          }),
        )
        line.calls++
        if (product) line.flops += 2 * M! * N! * K! * count!
        spent.set(name + transposed, line)
        return result
      },
    ]),
  )
  const steps = 5
  let total = 0
  for (let i = 0; i < steps; i++) total += ms(cost(step))
  let inside = 0
  for (const [name, { ms, calls, flops }] of [...spent].sort((a, b) => b[1].ms - a[1].ms)) {
    inside += ms
    const rate = flops ? `${(flops / ms / 1e6).toFixed(1)} GFLOP/s` : ''
    console.log(
      `${(ms / steps).toFixed(1).padStart(8)} ms ${String(calls / steps).padStart(5)} ${name.padEnd(32)} ${rate}`,
    )
  }
  console.log(
    `${((total - inside) / steps).toFixed(1).padStart(8)} ms outside the module, ${(total / steps).toFixed(1)} in all`,
  )
}
process.exit(0)
