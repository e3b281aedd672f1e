import { ConfigError } from '@filature/tensor'

/** Throws unless `whole` divides by `parts`. */
export function mustDivide(who: string, config: object, whole: string, parts: string): void {
  const sizes = config as Record<string, number>
  if (sizes[whole]! % sizes[parts]! !== 0) {
    throw new ConfigError(
      'config-divide',
      `${who}: ${whole} ${sizes[whole]} must divide by ${parts} ${sizes[parts]}; check config.json.`,
    )
  }
}
