import { CheckpointError } from '@filature/tensor'

/** Throws the CheckpointError of a file that is malformed, hostile or not supported: `who: what`. */
export function refuse(code: string, who: string, message: string, cause?: unknown): never {
  throw new CheckpointError(code, `${who}: ${message}`, cause === undefined ? undefined : { cause })
}

/** A name or a value from a file, fit for an error message: quoted, cut, control characters escaped. */
export function quote(text: unknown): string {
  const json = JSON.stringify(typeof text === 'bigint' ? String(text) : text) ?? String(text)
  return json.length > 120 ? `${json.slice(0, 117)}...` : json
}
