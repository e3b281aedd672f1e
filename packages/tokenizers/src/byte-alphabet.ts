// The alphabet of byte-level BPE (Radford et al. 2019): each byte as one visible character. Printable Latin-1 stands
// for itself, the other 68 bytes for the characters from U+0100 on, in order.
const printable = (byte: number) =>
  (byte >= 0x21 && byte <= 0x7e) || (byte >= 0xa1 && byte <= 0xac) || (byte >= 0xae && byte <= 0xff)

/** The character of each byte. */
export const BYTE_TO_CHARACTER: readonly string[] = (() => {
  let next = 0x100
  return Array.from({ length: 256 }, (_, byte) => String.fromCharCode(printable(byte) ? byte : next++))
})()

/** The byte of each character of the alphabet. */
export const CHARACTER_TO_BYTE: ReadonlyMap<string, number> = new Map(BYTE_TO_CHARACTER.map((c, byte) => [c, byte]))
