import { TokenizerError } from './errors.ts'
import { SentencePieceTokenizer } from './sentencepiece.ts'
import { type Piece, PieceType, type SentencePieceModel } from './sentencepiece-model.ts'

const FIRST_BYTE = 3
const FIRST_PIECE = FIRST_BYTE + 256

/**
 * The tokenizer.bin of llama2.c: int32 length of the longest token, then for each token float32 score, int32 length and
 * its bytes; tokens 0, 1, 2 are unknown, bos, eos, the next 256 the single bytes. It is a SentencePiece BPE model in
 * another coat, and is read as one.
 */
export function llama2cTokenizer(file: Uint8Array): SentencePieceTokenizer {
  const view = new DataView(file.buffer, file.byteOffset, file.byteLength)
  const decoder = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true })
  const cut = () =>
    new TokenizerError(
      'malformed-tokenizer',
      `tokenizer.bin: the file ends inside token ${pieces.length}; is it whole?`,
    )
  const pieces: Piece[] = []
  if (file.byteLength < 4) throw cut()
  for (let at = 4; at < file.byteLength; ) {
    if (at + 8 > file.byteLength) throw cut()
    const score = view.getFloat32(at, true)
    const length = view.getInt32(at + 4, true)
    at += 8
    if (length < 0 || at + length > file.byteLength) throw cut()
    let text: string
    try {
      text = decoder.decode(file.subarray(at, at + length))
    } catch (cause) {
      throw new TokenizerError('malformed-tokenizer', `tokenizer.bin: token ${pieces.length} is not UTF-8.`, { cause })
    }
    pieces.push(pieceOf(pieces.length, text, score))
    at += length
  }
  if (pieces.length < FIRST_PIECE) {
    throw new TokenizerError(
      'malformed-tokenizer',
      `tokenizer.bin: wanted at least ${FIRST_PIECE} tokens, got ${pieces.length}.`,
    )
  }
  const model: SentencePieceModel = {
    pieces,
    type: 'bpe',
    byteFallback: true,
    unkSurface: ' \u2047 ',
    treatWhitespaceAsSuffix: false,
    ids: { unk: 0, bos: 1, eos: 2, pad: -1 },
    normalizer: {
      charsmap: new Uint8Array(),
      addDummyPrefix: true,
      removeExtraWhitespaces: false,
      escapeWhitespaces: true,
    },
  }
  return new SentencePieceTokenizer(model)
}

/** The file writes bos and eos as "\n<s>\n" and "\n</s>\n", and a space for the mark. */
function pieceOf(id: number, text: string, score: number): Piece {
  if (id === 0) return { piece: '<unk>', score, type: PieceType.unknown }
  if (id < FIRST_BYTE) return { piece: text.trim(), score, type: PieceType.control }
  if (id < FIRST_PIECE) {
    if (!/^<0x[0-9A-F]{2}>$/.test(text)) {
      throw new TokenizerError(
        'malformed-tokenizer',
        `tokenizer.bin: wanted token ${id} to be a byte such as <0x0A>, got ${JSON.stringify(text)}.`,
      )
    }
    return { piece: text, score, type: PieceType.byte }
  }
  return { piece: text.replaceAll(' ', '▁'), score, type: PieceType.normal }
}
