// Refuses a package without the binary of one of its platforms: runs before it is published.
import { existsSync, readdirSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'

/** The platforms that the release makes binaries for (.github/workflows/native-prebuilds.yml). */
export const platforms = ['linux-x64', 'linux-arm64', 'darwin-arm64', 'win32-x64']

/** Those of which `folder` has no binary. */
export function missing(folder) {
  const binaries = (platform) => (existsSync(join(folder, platform)) ? readdirSync(join(folder, platform)) : [])
  return platforms.filter((platform) => !binaries(platform).some((file) => file.endsWith('.node')))
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const without = missing(fileURLToPath(new URL('../prebuilds', import.meta.url)))
  if (without.length) {
    console.error(
      `@filature/backend-native: no binary for ${without.join(', ')} in prebuilds/; the release workflow makes them.`,
    )
    process.exit(1)
  }
}
