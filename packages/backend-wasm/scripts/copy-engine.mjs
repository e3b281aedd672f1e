// Puts the engine's two binaries beside the build, where bundlers find them through `new URL(..., import.meta.url)`.
import { copyFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { fileURLToPath } from 'node:url'

const require = createRequire(import.meta.url)
for (const file of ['tfjs-backend-wasm-simd.wasm', 'tfjs-backend-wasm-threaded-simd.wasm']) {
  const from = require.resolve(`@tensorflow/tfjs-backend-wasm/dist/${file}`)
  copyFileSync(from, fileURLToPath(new URL(`../dist/engine/${file}`, import.meta.url)))
}
