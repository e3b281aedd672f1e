/** Where a source stands: plain JSON, saved with the checkpoint. */
export type Position = Readonly<Record<string, number>>

/**
 * An endless row of batches. A batch is plain host data; the loss makes tensors of it, so that they are freed with the
 * step. The same position gives the same batches.
 */
export interface BatchSource<B> {
  /** The next batch; may read from a disk or a network. */
  next(): B | Promise<B>
  /** Where the next batch stands. */
  readonly position: Position
  /** Goes to a position that this kind of source gave. */
  seek(position: Position): void
}

/** A source whose batches are made from another's. */
export function mapBatches<A, B>(source: BatchSource<A>, make: (batch: A) => B | Promise<B>): BatchSource<B> {
  return {
    next: async () => make(await source.next()),
    get position() {
      return source.position
    },
    seek: (position) => source.seek(position),
  }
}
