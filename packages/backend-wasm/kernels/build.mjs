// Builds the kernel module twice (SIMD128, and with relaxed SIMD) and writes each as base64 in a TypeScript file.
// Wanted: clang and wasm-ld, version 19 (Debian: apt-get install clang-19 lld-19). `--check` compares and writes nothing.
import { execFileSync } from 'node:child_process'
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'

const here = fileURLToPath(new URL('.', import.meta.url))
const CLANG = process.env.WASM_CLANG ?? 'clang-19'
const LD = process.env.WASM_LD ?? 'wasm-ld-19'

/** The compiler's version line, or undefined where there is none. */
export function compiler() {
  try {
    execFileSync(LD, ['--version'], { stdio: 'pipe' })
    return execFileSync(CLANG, ['--version'], { stdio: 'pipe' }).toString().split('\n')[0]
  } catch {
    return undefined
  }
}

const FLAGS = [
  '--target=wasm32',
  '-std=c17',
  '-O3',
  '-ffreestanding',
  '-nostdlib',
  '-fno-math-errno',
  '-fno-trapping-math',
  '-fno-builtin',
  '-mbulk-memory',
  '-matomics',
  '-msimd128',
  '-mllvm',
  '-disable-loop-idiom-all',
  '-Wall',
  '-Wextra',
  '-Wno-unused-parameter',
  '-Werror',
  '-ffile-prefix-map=.=.',
]
const LINK = [
  '--no-entry',
  '--import-memory',
  '--shared-memory',
  '--max-memory=4294967296',
  '--export=__stack_pointer',
  '--strip-all',
  '--gc-sections',
  '--stack-first',
  '-z',
  'stack-size=65536',
]

/** The bytes of one build. */
export function build(relaxed) {
  const dir = mkdtempSync(join(tmpdir(), 'kernels-'))
  try {
    const sources = readdirSync(here)
      .filter((file) => file.endsWith('.c'))
      .sort()
    const objects = sources.map((file) => {
      const object = join(dir, file.replace('.c', '.o'))
      const extra = relaxed ? ['-mrelaxed-simd', '-DRELAXED'] : []
      execFileSync(CLANG, [...FLAGS, ...extra, '-c', file, '-o', object], {
        cwd: here,
        stdio: ['ignore', 'inherit', 'inherit'],
      })
      return object
    })
    const out = join(dir, 'kernels.wasm')
    execFileSync(LD, [...LINK, ...objects, '-o', out], { stdio: ['ignore', 'inherit', 'inherit'] })
    const bytes = readFileSync(out)
    refuseStaticData(bytes)
    return bytes
  } finally {
    rmSync(dir, { recursive: true })
  }
}

/** The memory belongs to the engine: a data section of ours would overwrite it. */
function refuseStaticData(bytes) {
  for (const id of sections(bytes))
    if (id === 11) throw new Error('the kernels have static data; keep constants in code')
}

function* sections(bytes) {
  let at = 8
  while (at < bytes.length) {
    const id = bytes[at++]
    let size = 0
    for (let shift = 0; ; shift += 7) {
      const byte = bytes[at++]
      size |= (byte & 127) << shift
      if (byte < 128) break
    }
    yield id
    at += size
  }
}

export const TARGETS = [
  { relaxed: false, file: '../src/binary/simd.ts' },
  { relaxed: true, file: '../src/binary/relaxed.ts' },
]

export function asTypeScript(bytes) {
  return `// Made by kernels/build.mjs from kernels/*.c: not edited by hand.\nexport const base64: string =\n  '${bytes.toString('base64')}'\n`
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  if (!compiler()) {
    console.error(
      `${CLANG} and ${LD} are not here: apt-get install clang-19 lld-19. The committed build works without.`,
    )
    process.exit(1)
  }
  for (const { relaxed, file } of TARGETS) {
    const text = asTypeScript(build(relaxed))
    const path = join(here, file)
    if (!process.argv.includes('--check')) writeFileSync(path, text)
    else if (readFileSync(path, 'utf8') !== text) {
      console.error(`${file} is not what kernels/*.c build to: run node kernels/build.mjs`)
      process.exit(1)
    }
    console.log(`${file} ${text.length} characters`)
  }
}
