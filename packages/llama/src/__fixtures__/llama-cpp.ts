import { createRequire } from 'node:module'
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'

/** What of koffi, which calls C by its declarations, is used here. */
interface Koffi {
  load(path: string): { func(declaration: string): (...values: unknown[]) => unknown }
  struct(name: string, fields: Record<string, unknown>): unknown
  array(type: string, length: number): unknown
}

interface Evaluated {
  readonly next: { readonly logits: ReadonlyMap<number, number> }
}

/** What of node-llama-cpp is used here. */
interface NodeLlamaCpp {
  getLlama(options: object): Promise<{
    loadModel(options: object): Promise<{
      createContext(options: object): Promise<{
        getSequence(): { controlledEvaluate(input: readonly (readonly [number, object])[]): Promise<Evaluated[]> }
        dispose(): Promise<void>
      }>
      dispose(): Promise<void>
    }>
    dispose(): Promise<void>
  }>
}

export interface LlamaCpp {
  /** Writes a file in another format, by llama.cpp's number for it. */
  quantize(from: string, to: string, format: number): void
  /** Logits after each of the ids, (T, V). */
  logits(path: string, ids: readonly number[]): Promise<Float32Array[]>
  [Symbol.asyncDispose](): Promise<void>
}

/** llama.cpp, out of an installation of node-llama-cpp, its binaries, and koffi. */
export async function openLlamaCpp(modules: string): Promise<LlamaCpp> {
  const koffi = createRequire(join(modules, 'from-here.js'))('koffi') as Koffi
  const library = koffi.load(join(modules, '@node-llama-cpp/linux-x64/bins/linux-x64/libllama.v0.5.0.so'))
  // larger than the struct is: it comes and goes by its address
  koffi.struct('QuantizeParams', { words: koffi.array('int32_t', 32) })
  const usual = library.func('QuantizeParams llama_model_quantize_default_params()')
  const run = library.func('uint32_t llama_model_quantize(const char *from, const char *to, QuantizeParams *params)')

  process.env['NODE_LLAMA_CPP_SKIP_DOWNLOAD'] = 'true'
  const entry = pathToFileURL(join(modules, 'node-llama-cpp/dist/index.js')).href
  const { getLlama } = (await import(/* @vite-ignore */ entry)) as NodeLlamaCpp
  const llama = await getLlama({ gpu: false, build: 'never', skipDownload: true, maxThreads: 1, logLevel: 'error' })
  return {
    quantize(from, to, format) {
      const params = usual() as { words: Int32Array }
      params.words[0] = 1 // thread
      params.words[1] = format
      const failed = run(from, to, params)
      if (failed !== 0) throw new Error(`llama.cpp did not write format ${format}: ${failed}`)
    },
    async logits(path, ids) {
      const model = await llama.loadModel({ modelPath: path, gpuLayers: 0 })
      const context = await model.createContext({ contextSize: 256, batchSize: 256, threads: 1, flashAttention: false })
      const want = { generateNext: { token: true, logits: true, options: { temperature: 0 } } }
      const rows = await context.getSequence().controlledEvaluate(ids.map((id) => [id, want] as const))
      const out = rows.map(({ next }) => {
        const row = new Float32Array(next.logits.size)
        for (const [id, logit] of next.logits) row[id] = logit
        return row
      })
      await context.dispose()
      await model.dispose()
      return out
    },
    [Symbol.asyncDispose]: () => llama.dispose(),
  }
}
