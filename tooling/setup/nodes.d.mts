/** The path of a Node of this version (`22`), fetched from npm where it is not there yet. */
export function nodeOf(version: string): string
