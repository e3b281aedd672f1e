import { createHash } from 'node:crypto'
import { readFile } from 'node:fs/promises'
import { fileURLToPath } from 'node:url'
import { ConfigError } from '@filature/tensor'

/** Jane Austen, Pride and Prejudice: what is trained on when no text is given. */
export const novel = fileURLToPath(new URL('../../data/pride-and-prejudice.txt', import.meta.url))

/** A UTF-8 text file, whole; `flag` is the option that names it. */
export async function readText(path: string, flag = '--text'): Promise<{ text: string; sha256: string }> {
  let bytes: Buffer
  try {
    bytes = await readFile(path)
  } catch (error) {
    const { code, message } = error as NodeJS.ErrnoException
    const known: Record<string, string> = { ENOENT: 'there is no such file', EISDIR: 'wanted a file, that is a folder' }
    throw new ConfigError('text-file', `${flag} ${path}: ${known[code ?? ''] ?? message}.`)
  }
  if (bytes.length === 0) throw new ConfigError('text-empty', `${flag} ${path}: it is empty.`)
  try {
    const text = new TextDecoder('utf-8', { fatal: true }).decode(bytes)
    return { text, sha256: createHash('sha256').update(bytes).digest('hex') }
  } catch {
    throw new ConfigError('text-encoding', `${flag} ${path}: it is not UTF-8; convert it first (iconv -t utf-8).`)
  }
}
