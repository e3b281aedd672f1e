import { wasm } from '@filature/backend-wasm'
import { type BackendReport, useBackend } from '@filature/tensor'
import { webgpu } from '../../index.ts'
import { lossAndGradients } from './work.ts'

export interface PageResult {
  report?: BackendReport
  results?: number[][]
  error?: string
  isolated: boolean
}

async function run(name: 'wasm' | 'webgpu'): Promise<PageResult> {
  const isolated = globalThis.crossOriginIsolated
  try {
    const { report } = await useBackend(name === 'wasm' ? wasm({ threads: 2 }) : webgpu())
    return { report, results: await lossAndGradients(), isolated }
  } catch (error) {
    return { error: String(error), isolated }
  }
}

;(globalThis as unknown as { run: typeof run }).run = run
