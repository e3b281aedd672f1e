/** Base of every error Filature throws on purpose: `code` is stable, the message says who, wanted, got, what to do. */
export class FilatureError extends Error {
  readonly code: string

  constructor(code: string, message: string, options?: ErrorOptions) {
    super(message, options)
    this.name = new.target.name
    this.code = code
  }
}

/** A configuration that cannot be built or an option that is not supported. */
export class ConfigError extends FilatureError {}
/** A checkpoint that is malformed, hostile or does not fit the model. */
export class CheckpointError extends FilatureError {}
/** A tensor of the wrong shape or type at a public boundary. */
export class ShapeError extends FilatureError {}
/** A backend that is missing, wrong or used before it is up. */
export class BackendError extends FilatureError {}
/** A run that needs more memory than there is. */
export class MemoryError extends FilatureError {}
/** The device behind the backend went away. */
export class DeviceLostError extends FilatureError {}
/** The API was called in a way that cannot work (a promise in a run scope, a disposed model). */
export class UsageError extends FilatureError {}
