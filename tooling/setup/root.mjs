import { fileURLToPath } from 'node:url'

/** The root of the checkout, as a URL that ends in a slash. */
export const root = new URL('../../', import.meta.url)

export const rootPath = fileURLToPath(root)

/** A file of the checkout as a path. */
export const at = (path) => fileURLToPath(new URL(path, root))
