import { forkTyped } from '@filature/testing'
import type { FromWorker, ToWorker } from './messages.ts'

/** Runs the cases on one backend in a process of its own; `heard` gets every answer as it comes. */
export function runBackend(task: ToWorker, heard: (message: FromWorker) => void): Promise<void> {
  const worker = forkTyped(new URL('./worker.ts', import.meta.url), { float64: task.backend === 'float64' })
  return new Promise((done) => {
    worker.on('message', (message) => heard(message as FromWorker))
    worker.on('exit', (code, signal) => {
      if (code !== 0)
        heard({ kind: 'crash', error: `the process of ${task.backend} ended with ${signal ?? `code ${code}`}` })
      done()
    })
    worker.send(task)
  })
}
