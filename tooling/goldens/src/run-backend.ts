import { forkTyped, whenOver } from '@filature/testing'
import type { FromWorker, ToWorker } from './messages.ts'

/** Runs the cases on one backend in a process of its own; `heard` gets every answer as it comes. */
export function runBackend(task: ToWorker, heard: (message: FromWorker) => void): Promise<void> {
  const worker = forkTyped(new URL('./worker.ts', import.meta.url), { float64: task.backend === 'float64' })
  return new Promise((done) => {
    worker.on('message', (message) => heard(message as FromWorker))
    whenOver(worker, (how, code) => {
      if (code !== 0) heard({ kind: 'crash', error: `the process of ${task.backend} ended with ${how}` })
      done()
    })
    worker.send(task)
  })
}
