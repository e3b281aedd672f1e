// Ctrl-C in a real terminal (a pseudo-terminal by util-linux' script). Budget: 1 minute.
import { spawnSync } from 'node:child_process'
import { mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, it } from 'vitest'
import { run } from '../__tests__/command-line.ts'
import { novel } from '../text/read.ts'

const quote = (word: string) => `'${word.replaceAll("'", "'\\''")}'`
const inTerminal = (command: string[]) => ['script', '-qefc', command.map(quote).join(' '), '/dev/null']
const hasScript = spawnSync('script', ['-qec', 'true', '/dev/null']).status === 0

it.skipIf(!hasScript)(
  'Ctrl-C finishes the step, saves, says how to go on; a second run does so',
  async () => {
    const folder = await mkdtemp(join(tmpdir(), 'filature-terminal-'))
    try {
      const [out, text] = [join(folder, 'run'), join(folder, 'text')]
      await writeFile(text, (await readFile(novel, 'utf8')).slice(0, 20_000))
      const small = ['--hidden', '16', '--batch', '2', '--length', '16', '--backend', 'native,wasm,cpu']
      const args = ['char', '--text', text, '--out', out, '--steps', '100000', '--evaluate-every', '50', ...small]
      const life = run(args, { wrap: inTerminal })
      await life.seen(/█|░/) // the bar is there
      await life.seen('held out')
      life.child.stdin!.write('\x03')
      expect(await life.ended, life.output()).toBe(130)
      expect(life.output()).toMatch(/Stopping after this step/)
      const step = Number(/Stopped at step (\d+)/.exec(life.output())![1])
      expect(life.output()).toMatch(/Go on with: {2}filature-train char --resume/)
      expect(life.output()).toContain('\x1b[?25h') // the cursor is back
      expect(await readdir(out)).toContain(`checkpoint-${step}`)

      const again = run(['char', '--resume', out, '--backend', 'native,wasm,cpu', '--steps', String(step + 5)])
      expect(await again.ended, again.output()).toBe(0)
      expect(again.output()).toContain(`Going on after step ${step} of ${step + 5}`)
    } finally {
      await rm(folder, { recursive: true, force: true })
    }
  },
  120_000,
)
