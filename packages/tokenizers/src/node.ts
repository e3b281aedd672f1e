import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { loadTokenizer } from './load.ts'
import type { Tokenizer } from './tokenizer.ts'

/** The tokenizer of a model folder on disk; see `loadTokenizer` for the files that it looks for. */
export function loadTokenizerFolder(folder: string): Promise<Tokenizer> {
  return loadTokenizer(async (name) => {
    try {
      return await readFile(join(folder, name))
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined
      throw error
    }
  })
}
