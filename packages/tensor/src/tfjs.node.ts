// The door in Node: the union package, because tfjs-core alone has no gradients under Node's ESM.
export * from '@tensorflow/tfjs'
