import { LibraryBpe, LibraryUnigram } from './library.ts'
import { type Piece, PieceType } from './sentencepiece-model.ts'

/** How far below the worst piece an unknown character scores. */
const UNKNOWN_PENALTY = 10
const UNKNOWN = '\0'

const usable = ({ type }: Piece) => type === PieceType.normal || type === PieceType.userDefined

/**
 * Cuts normalized text by BPE: the best-scored joint of two neighbours that is a piece is merged first, the leftmost of
 * equals. A merge counts by the piece it gives, whichever two parts it is made of.
 */
export function bpePieces(pieces: readonly Piece[]): (text: string) => readonly string[] {
  const merged = pieces.filter((piece) => piece.type === PieceType.normal && piece.piece.length > 1)
  const scores = [...new Set(merged.map(({ score }) => score))].sort((a, b) => b - a)
  const rankOf = new Map(scores.map((score, rank) => [score, rank]))
  const ranks = new Map<string, number>()
  for (const { piece, score } of merged) {
    const characters = [...piece]
    for (let i = 1; i < characters.length; i++) {
      ranks.set(JSON.stringify([characters.slice(0, i).join(''), characters.slice(i).join('')]), rankOf.get(score)!)
    }
  }
  const library = new LibraryBpe({ type: 'BPE', vocab: {}, merges: [], ignore_merges: false })
  library.bpe_ranks = ranks
  return (text) => library.bpe(text)
}

/** Cuts normalized text into the most probable pieces (Viterbi; Kudo 2018). */
export function unigramPieces(pieces: readonly Piece[]): (text: string) => readonly string[] {
  const normal = pieces.filter(({ type }) => type === PieceType.normal)
  const worst = normal.reduce((min, { score }) => Math.min(min, score), 0)
  const best = normal.reduce((max, { score }) => Math.max(max, score), -Infinity)
  const encoder = new TextEncoder()
  const vocab = pieces.filter(usable).map(({ piece, score, type }): [string, number] => {
    // a user-defined piece wins over any way to cut it
    return [piece, type === PieceType.userDefined ? encoder.encode(piece).length * best - 0.1 : score]
  })
  const library = new LibraryUnigram({ type: 'Unigram', vocab: [[UNKNOWN, 0], ...vocab], unk_id: 0 }, '')
  library.unk_score = worst - UNKNOWN_PENALTY
  return (text) => library.tokenize(text)
}
