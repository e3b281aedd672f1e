import type { Checkpoint, StoredTensor } from './checkpoint.ts'
import type { TensorValues } from './dtypes.ts'
import type { HeldBlocks } from './held-blocks.ts'
import { quote, refuse } from './refuse.ts'

/** How the tensors of a table are described and read. */
export interface TensorReader<T> {
  readonly format: Checkpoint['format']
  /** Where the checkpoint came from, for messages. */
  readonly name: string
  readonly metadata: Checkpoint['metadata']
  info(tensor: T, name: string): StoredTensor
  /** @param who the tensor, for messages */
  read(tensor: T, who: string, name: string): Promise<TensorValues>
  blocks?(tensor: T, name: string): HeldBlocks | undefined
  close(): Promise<unknown>
}

/** The checkpoint whose tensors a reader keeps in a table, in the table's order. */
export function checkpointOf<T>(table: ReadonlyMap<string, T>, reader: TensorReader<T>): Checkpoint {
  const { format, name: who, metadata } = reader
  const tensor = (name: string): T => {
    const found = table.get(name)
    if (found === undefined) refuse('no-such-tensor', who, `there is no tensor ${quote(name)}.`)
    return found
  }
  const close = async () => void (await reader.close())
  return {
    format,
    name: who,
    metadata,
    names: () => [...table.keys()],
    has: (name) => table.has(name),
    info: (name) => reader.info(tensor(name), name),
    read: async (name) => await reader.read(tensor(name), `${who}: tensor ${quote(name)}`, name),
    blocks: (name) => reader.blocks?.(tensor(name), name),
    close,
    [Symbol.asyncDispose]: close,
  }
}
