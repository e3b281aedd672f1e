/**
 * Random access to bytes that may not fit in memory. Here `read` gives exactly `length` bytes that belong to the
 * caller, or rejects; reads may overlap in time.
 */
export type { ByteSource } from '@filature/tensor'
