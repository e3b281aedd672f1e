// Installs the packed tarballs on a bare system root and trains there: node scripts/system-root.mjs [ROOT].
// ROOT is made by debootstrap when it is not there; needs root rights and network. Nothing is installed in it but Node.
import { spawnSync } from 'node:child_process'
import { cpSync, existsSync, mkdirSync, readdirSync, rmSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'

const here = join(dirname(fileURLToPath(import.meta.url)), '..')
const workspace = join(here, '../..')
const root = process.argv[2] ?? '/tmp/filature-root'

function run(command, args, options = {}) {
  const { status, stdout } = spawnSync(command, args, {
    stdio: ['ignore', 'pipe', 'inherit'],
    encoding: 'utf8',
    ...options,
  })
  if (status !== 0) throw new Error(`${command} ${args.join(' ')}: exit code ${status}\n${stdout ?? ''}`)
  return stdout
}

if (!existsSync(join(root, 'etc'))) run('debootstrap', ['--variant=minbase', 'bookworm', root])
for (const tool of ['gcc', 'g++', 'cc', 'clang', 'make', 'python3']) {
  if (existsSync(join(root, 'usr/bin', tool))) throw new Error(`${root} has ${tool}: take a bare one`)
}

// The packages, packed as they would be published, with the binary of this platform.
run(process.execPath, [join(here, 'scripts/pack.mjs')])
const tarballs = join(root, 'tarballs')
rmSync(tarballs, { recursive: true, force: true })
mkdirSync(tarballs, { recursive: true })
for (const name of ['tensor', 'backend-native', 'train', 'checkpoint']) {
  run('pnpm', ['--filter', `@filature/${name}`, 'build'], { cwd: workspace })
  run('pnpm', ['pack', '--pack-destination', tarballs], { cwd: join(workspace, 'packages', name) })
}

const app = join(root, 'app')
rmSync(app, { recursive: true, force: true })
mkdirSync(app, { recursive: true })
const dependencies = Object.fromEntries(
  readdirSync(tarballs).map((file) => [
    `@filature/${file.replace(/^filature-|-\d.*$/g, '')}`,
    `file:../tarballs/${file}`,
  ]),
)
writeFileSync(
  join(app, 'package.json'),
  JSON.stringify({ type: 'module', dependencies, overrides: dependencies }, null, 2),
)
writeFileSync(
  join(app, 'train.js'),
  `import { init, Linear, Module, mseLoss, Rng, tensor, tidy, useBackend } from '@filature/tensor'
import { native } from '@filature/backend-native'
import { AdamW, gradientStep } from '@filature/train'
const { report } = await useBackend(native())
class Net extends Module { a = new Linear(2, 16, { activation: 'tanh' }); b = new Linear(16, 1) }
const model = new Net()
init(model, new Rng(1))
const x = tensor([0, 0, 0, 1, 1, 0, 1, 1], [4, 2]), y = tensor([0, 1, 1, 0], [4, 1])
const optimizer = new AdamW(model, { lr: 0.05 })
const loss = () => mseLoss(model.b.forward(model.a.forward(x)), y)
const it = { model, loss, batches: [null], rng: new Rng(2), optimizer, lr: undefined, clipping: null }
let last
for (let i = 0; i < 300; i++) tidy(() => { const step = gradientStep(it); last = step.loss.dataSync()[0]; step.loss.dispose() })
console.log(report.name, report.features.join(), 'loss of exclusive or after 300 steps', last)
if (!(last < 1e-3)) process.exit(1)
`,
)
run('npm', ['install', '--no-audit', '--no-fund', '--install-links'], { cwd: app })
cpSync(process.execPath, join(root, 'usr/local/bin/node'))
console.log(run('chroot', [root, '/usr/local/bin/node', '/app/train.js']).trim())
