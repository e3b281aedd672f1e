import { TokenizerError } from './errors.ts'
import { HuggingFaceTokenizer } from './hugging-face.ts'
import type { TokenizerConfig } from './hugging-face-config.ts'

const END = '<|endoftext|>'

/**
 * A byte-level BPE tokenizer (Radford et al. 2019) from vocab.json, an object of token: id, and merges.txt, a merge a
 * line, the earlier the stronger. Every text decodes to itself.
 */
export function gpt2Tokenizer(vocab: string, merges: string, config: TokenizerConfig = {}): HuggingFaceTokenizer {
  const ids = parseVocabulary(vocab)
  const named: TokenizerConfig = { bos_token: END, eos_token: END, unk_token: END, ...config }
  const added = END in ids ? [{ id: ids[END]!, content: END, special: true, normalized: false }] : []
  return new HuggingFaceTokenizer(
    {
      version: '1.0',
      added_tokens: added,
      pre_tokenizer: { type: 'ByteLevel', add_prefix_space: config.add_prefix_space ?? false, trim_offsets: true },
      decoder: { type: 'ByteLevel' },
      model: { type: 'BPE', vocab: ids, merges: parseMerges(merges, ids) },
    },
    named,
  )
}

function parseVocabulary(vocab: string): Record<string, number> {
  try {
    return JSON.parse(vocab) as Record<string, number>
  } catch (cause) {
    throw new TokenizerError('malformed-vocabulary', 'vocab.json: not json; is the file whole?', { cause })
  }
}

function parseMerges(merges: string, ids: Record<string, number>): [string, string][] {
  const out: [string, string][] = []
  for (const [i, line] of merges.split(/\r?\n/).entries()) {
    if (line === '' || (i === 0 && line.startsWith('#version'))) continue
    const [left, right, more] = line.split(' ')
    if (!left || !right || more !== undefined || !Object.hasOwn(ids, left + right)) {
      throw new TokenizerError(
        'malformed-merges',
        `merges.txt, line ${i + 1}: wanted two tokens whose joint is in vocab.json, got ${JSON.stringify(line)}.`,
      )
    }
    out.push([left, right])
  }
  return out
}
