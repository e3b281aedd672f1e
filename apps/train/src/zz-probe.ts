import { startVit, usualShape } from '/work/main/apps/train/src/vit/recipe.ts'
import { readLabelled } from '/work/main/apps/train/src/vit/idx.ts'
import { activate } from '/work/main/apps/train/src/backend.ts'
import { gradientStep } from '@filature/train'
import { Rng, tidy } from '@filature/tensor'
const all = await readLabelled('/work/main/apps/train/.cache/fashion-mnist', 'train')
await activate({ backend: 'native', threads: 2 })
for (const shape of [{}, {dropout: 0}, {patch: 7, dim: 96, mlp: 192}, {patch:7,dim:96,mlp:192,dropout:0}, {patch: 7, dim: 128, mlp: 256, depth: 4}]) {
  const s: any = { ...usualShape, ...shape, command: 'vit', seed: 1, steps: 1000, evaluateEvery: 1, saveEvery: 1 }
  const r = startVit(s, all)
  let c0 = process.cpuUsage(), t0 = performance.now()
  for (let i = 0; i < 12; i++) {
    if (i === 4) { c0 = process.cpuUsage(); t0 = performance.now() }
    const m = tidy(() => gradientStep({ ...r, batches: [r.data.next()], rng: new Rng(0), lr: 1e-3 }))
    await m.loss.data(); m.loss.dispose(); m.norm?.dispose()
  }
  const c = process.cpuUsage(c0)
  console.log(JSON.stringify(shape), 'cpu ms/step', ((c.user + c.system) / 8000).toFixed(0), 'wall', ((performance.now() - t0) / 8).toFixed(0))
  r[Symbol.dispose]()
}
process.exit()
