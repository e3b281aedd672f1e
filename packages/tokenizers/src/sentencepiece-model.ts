import { BinaryReader, type WireType } from '@bufbuild/protobuf/wire'
import { TokenizerError } from './errors.ts'

/** What a piece is; the numbers are those of the file. */
export const PieceType = { normal: 1, unknown: 2, control: 3, userDefined: 4, unused: 5, byte: 6 } as const
export type PieceType = (typeof PieceType)[keyof typeof PieceType]

export interface Piece {
  /** Text with `▁` for a space. */
  readonly piece: string
  /** BPE: the higher, the earlier merged. Unigram: log probability. */
  readonly score: number
  readonly type: PieceType
}

/** The contents of a SentencePiece model (Kudo and Richardson 2018) that encoding and decoding need. */
export interface SentencePieceModel {
  readonly pieces: readonly Piece[]
  readonly type: 'unigram' | 'bpe'
  readonly byteFallback: boolean
  /** What decoding writes for an unknown piece. */
  readonly unkSurface: string
  readonly treatWhitespaceAsSuffix: boolean
  /** -1: the model has none. */
  readonly ids: { readonly unk: number; readonly bos: number; readonly eos: number; readonly pad: number }
  readonly normalizer: {
    /** A compiled map of character sequences; empty: text stays as it is. */
    readonly charsmap: Uint8Array
    readonly addDummyPrefix: boolean
    readonly removeExtraWhitespaces: boolean
    readonly escapeWhitespaces: boolean
  }
}

const malformed = (what: string, options?: ErrorOptions) =>
  new TokenizerError('malformed-sentencepiece', `SentencePiece model: ${what}; is the file whole?`, options)

/** Reads a `.model` file (a protocol buffer, sentencepiece_model.proto). */
export function parseSentencePiece(bytes: Uint8Array): SentencePieceModel {
  try {
    return parse(bytes)
  } catch (cause) {
    if (cause instanceof TokenizerError) throw cause
    throw malformed(`not readable (${(cause as Error).message})`, { cause })
  }
}

function parse(bytes: Uint8Array): SentencePieceModel {
  const pieces: Piece[] = []
  let trainer: ReturnType<typeof parseTrainer> | undefined
  let normalizer: SentencePieceModel['normalizer'] | undefined
  fields(bytes, (field, reader) => {
    if (field === 1) pieces.push(parsePiece(reader.bytes()))
    else if (field === 2) trainer = parseTrainer(reader.bytes())
    else if (field === 3) normalizer = parseNormalizer(reader.bytes())
    else return false
    return true
  })
  if (pieces.length === 0) throw malformed('it holds no pieces')
  trainer ??= parseTrainer(new Uint8Array())
  const type = trainer.modelType === 1 ? 'unigram' : trainer.modelType === 2 ? 'bpe' : undefined
  if (!type) {
    throw new TokenizerError(
      'unsupported-sentencepiece',
      `SentencePiece model: model_type ${trainer.modelType} (3 word, 4 char) is not supported; wanted unigram (1) or bpe (2).`,
    )
  }
  return {
    pieces,
    type,
    byteFallback: trainer.byteFallback,
    unkSurface: trainer.unkSurface,
    treatWhitespaceAsSuffix: trainer.treatWhitespaceAsSuffix,
    ids: specialIds(pieces, trainer),
    normalizer: normalizer ?? parseNormalizer(new Uint8Array()),
  }
}

/** Walks the fields of a message; `visit` says whether it read the field. */
function fields(bytes: Uint8Array, visit: (field: number, reader: BinaryReader) => boolean): void {
  const reader = new BinaryReader(bytes)
  while (reader.pos < reader.len) {
    const [field, wire] = reader.tag()
    const at = reader.pos
    if (!visit(field, reader)) {
      reader.pos = at
      reader.skip(wire as WireType, field)
    }
    if (reader.pos > reader.len) throw malformed('a field reaches past the end')
  }
}

function parsePiece(bytes: Uint8Array): Piece {
  let piece = ''
  let score = 0
  let type: number = PieceType.normal
  fields(bytes, (field, reader) => {
    if (field === 1) piece = reader.string()
    else if (field === 2) score = reader.float()
    else if (field === 3) type = reader.int32()
    else return false
    return true
  })
  if (type < 1 || type > 6) throw malformed(`piece ${JSON.stringify(piece)} has the unknown type ${type}`)
  return { piece, score, type: type as PieceType }
}

function parseTrainer(bytes: Uint8Array) {
  const spec = {
    modelType: 1,
    byteFallback: false,
    treatWhitespaceAsSuffix: false,
    unkSurface: ' \u2047 ',
    unkPiece: '<unk>',
    bosPiece: '<s>',
    eosPiece: '</s>',
    padPiece: '<pad>',
  }
  fields(bytes, (field, reader) => {
    if (field === 3) spec.modelType = reader.int32()
    else if (field === 24) spec.treatWhitespaceAsSuffix = reader.bool()
    else if (field === 35) spec.byteFallback = reader.bool()
    else if (field === 44) spec.unkSurface = reader.string()
    else if (field === 45) spec.unkPiece = reader.string()
    else if (field === 46) spec.bosPiece = reader.string()
    else if (field === 47) spec.eosPiece = reader.string()
    else if (field === 48) spec.padPiece = reader.string()
    else return false
    return true
  })
  return spec
}

/** The ids are those of the pieces that carry the names: what the trainer asked for is only a wish. */
function specialIds(pieces: readonly Piece[], trainer: ReturnType<typeof parseTrainer>): SentencePieceModel['ids'] {
  const find = (name: string) => pieces.findIndex(({ piece, type }) => piece === name && type === PieceType.control)
  const unk = pieces.findIndex(({ type }) => type === PieceType.unknown)
  if (unk < 0) throw malformed('it has no unknown piece')
  return { unk, bos: find(trainer.bosPiece), eos: find(trainer.eosPiece), pad: find(trainer.padPiece) }
}

function parseNormalizer(bytes: Uint8Array): SentencePieceModel['normalizer'] {
  const spec = {
    charsmap: new Uint8Array(),
    addDummyPrefix: true,
    removeExtraWhitespaces: true,
    escapeWhitespaces: true,
  }
  fields(bytes, (field, reader) => {
    if (field === 2) spec.charsmap = reader.bytes().slice() as Uint8Array<ArrayBuffer>
    else if (field === 3) spec.addDummyPrefix = reader.bool()
    else if (field === 4) spec.removeExtraWhitespaces = reader.bool()
    else if (field === 5) spec.escapeWhitespaces = reader.bool()
    else return false
    return true
  })
  return spec
}
