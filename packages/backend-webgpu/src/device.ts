import { BackendError, DeviceLostError, MemoryError } from '@filature/tensor'
import type { backend_util, DataType, TensorInfo } from '@tensorflow/tfjs-core'
import { gpu } from '#gpu'

type DataId = object

/** tfjs' webgpu backend that says when its device failed: WebGPU itself goes on and computes nothing. */
export class CheckedBackend extends gpu.WebGPUBackend {
  #failure: Error | undefined
  #ended = false

  constructor(device: GPUDevice, info: GPUAdapterInfo) {
    super(device, info)
    device.addEventListener('uncapturederror', (event) => {
      this.#failure ??= asError((event as GPUUncapturedErrorEvent).error)
    })
    device.lost.then(({ reason, message }) => {
      if (reason === 'destroyed' && this.#ended) return
      this.#failure = new DeviceLostError(
        'webgpu-device-lost',
        `webgpu: the device was lost (${reason}${message ? `: ${message}` : ''}); its tensors are gone. ` +
          'Start the process or the page again, or go on with another backend from the last checkpoint.',
      )
    })
  }

  /** Whether the engine has disposed of it. */
  get ended(): boolean {
    return this.#ended
  }

  /** Throws what has gone wrong on the device since it came up. */
  check(): void {
    if (this.#failure) throw this.#failure
  }

  override async read(dataId: DataId): Promise<backend_util.BackendValues> {
    this.check()
    let values: backend_util.BackendValues
    try {
      values = await super.read(dataId)
    } catch (error) {
      await turn() // the loss is told a moment later
      this.check()
      throw error
    }
    await turn()
    this.check()
    return values
  }

  override readSync(dataId: DataId): backend_util.BackendValues {
    const { values, dtype } = this.tensorMap.get(dataId)
    if (values != null || dtype === 'string') return values as backend_util.BackendValues
    throw new BackendError(
      'webgpu-read-sync',
      'webgpu: a tensor on the GPU cannot be read synchronously; use await tensor.data().',
    )
  }

  override dispose(): void {
    this.#ended = true
    super.dispose()
  }

  override write(values: backend_util.BackendValues, shape: number[], dtype: DataType): DataId {
    this.check()
    return super.write(values, shape, dtype)
  }

  override makeTensorInfo(
    shape: number[],
    dtype: DataType,
    values?: string[] | backend_util.BackendValues,
  ): TensorInfo {
    this.check()
    return super.makeTensorInfo(shape, dtype, values)
  }
}

const turn = () => new Promise((resolve) => setTimeout(resolve, 0))

function asError(error: GPUError): Error {
  const told = `webgpu: the device reported an error and what it computed since is not to be trusted: ${error.message}`
  return error.constructor.name === 'GPUOutOfMemoryError'
    ? new MemoryError('webgpu-memory', `${told}; use a smaller batch or context, or checkpointed().`)
    : new BackendError('webgpu-error', told)
}
