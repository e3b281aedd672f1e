import { type ChildProcess, fork } from 'node:child_process'
import { fileURLToPath } from 'node:url'

const here = (path: string) => fileURLToPath(new URL(path, import.meta.url))

/** Node arguments that run TypeScript sources of the workspace, in doubles when asked. */
export function nodeArguments({ float64 = false }: { float64?: boolean } = {}): string[] {
  const preload = float64 ? ['--require', here('./float64-preload.cjs')] : []
  return [...preload, '--conditions=@filature/source', '--import', 'tsx']
}

/** Forks a TypeScript module of the workspace; messages may carry typed arrays. */
export function forkTyped(module: URL, { float64 = false }: { float64?: boolean } = {}): ChildProcess {
  return fork(fileURLToPath(module), [], {
    cwd: here('../'),
    execArgv: nodeArguments({ float64 }),
    // The workbench's aliases (@filature/testing, @filature/goldens) stand in this tsconfig.
    env: { ...process.env, TSX_TSCONFIG_PATH: here('../tsconfig.json'), VITEST: undefined },
    serialization: 'advanced',
  })
}

/** Calls `over` once with the exit code or signal of a forked process, behind its last message: an exit may overtake one. */
export function whenOver(child: ChildProcess, over: (how: string, code: number | null) => void): void {
  child.once('exit', (code, signal) => {
    const tell = () => over(signal ?? `code ${code}`, code)
    if (child.connected) child.once('disconnect', tell)
    else tell()
  })
}
