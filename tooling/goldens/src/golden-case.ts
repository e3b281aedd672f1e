import { existsSync } from 'node:fs'
import { join } from 'node:path'
import type { Checkpoint } from '@filature/checkpoint'
import { type Dialect, dispose, keep, type Tensor, tensor } from '@filature/tensor'
import type { Differentiate, Golden, Loosened, Numbers, Outputs, Tolerance, Value } from './adapter.ts'
import { type Comparison, compareNumbers } from './comparison.ts'
import { isFloat } from './decode.ts'
import { inDialect } from './dialect-grads.ts'
import { differentiateCase } from './differentiate.ts'
import type { Fixture } from './fixture.ts'
import { Ledger } from './ledger.ts'
import { readNumbers } from './read-numbers.ts'
import { EXACT, loosen, toleranceOf } from './tolerance.ts'
import { weightsOf } from './weights.ts'

/** The runner's side of one case on one backend: hands out, takes in, keeps account. */
export class GoldenCase implements Golden {
  readonly fixture: Fixture
  readonly backend: string
  readonly precision = Float32Array.BYTES_PER_ELEMENT === 8 ? 'float64' : 'float32'
  readonly ledger: Ledger
  readonly comparisons: Comparison[] = []
  readonly failures: string[] = []
  /** Other files of the folder that the adapter asked for. */
  readonly files = new Set<string>()
  /** How the file names the parameters, when not as the model does. */
  dialect: Dialect | undefined
  readonly #inputs = new Map<string, Tensor>()
  readonly #pending: Promise<void>[] = []

  constructor(fixture: Fixture, backend: string) {
    this.fixture = fixture
    this.backend = backend
    this.ledger = new Ledger(fixture.names)
  }

  get name(): string {
    return this.fixture.name
  }

  get json(): Golden['json'] {
    return this.fixture.json
  }

  get config(): Golden['config'] {
    return this.fixture.json.config
  }

  has(fullName: string): boolean {
    return this.fixture.has(fullName)
  }

  list(pattern: RegExp): string[] {
    return this.fixture.names.filter((name) => pattern.test(name))
  }

  input<T extends Tensor = Tensor>(name: string): T {
    const fullName = `inputs.${name}`
    let x = this.#inputs.get(name)
    if (!x) {
      const { dtype } = this.fixture.stored(fullName)
      const { shape, data } = this.read(fullName)
      if (dtype === 'BOOL') x = tensor(Uint8Array.from(data), [...shape], 'bool')
      else if (isFloat(dtype)) x = tensor(Float32Array.from(data), [...shape], 'float32')
      else x = tensor(int32Of(data, fullName), [...shape], 'int32')
      this.#inputs.set(name, keep(x))
    }
    return x as T
  }

  optionalInput<T extends Tensor = Tensor>(name: string): T | undefined {
    return this.has(`inputs.${name}`) ? this.input<T>(name) : undefined
  }

  read(fullName: string): Numbers {
    // what the reference gave is accounted for by being compared, not by being looked at
    if (!/^(outputs|grads)\./.test(fullName)) this.ledger.use(fullName)
    return this.fixture.numbers(fullName)
  }

  file(name: string): string {
    const path = join(this.fixture.directory, name)
    if (!existsSync(path)) throw new Error(`Golden ${this.name}: the folder has no file '${name}'.`)
    this.files.add(name)
    return path
  }

  weights(): Checkpoint {
    return weightsOf(this.fixture, this.ledger)
  }

  expect(name: string, actual: Outputs, loosened?: Loosened): void {
    if (isValue(actual)) {
      if (this.has(`outputs.${name}`)) this.#against(`outputs.${name}`, actual, loosened)
      return
    }
    const strict = this.fixture.names.some((fullName) => fullName.startsWith(`outputs.${name}.`))
    for (const [key, value] of Object.entries(actual)) {
      if (value === undefined) continue
      const path = `${name}.${key}`
      if (strict && isValue(value) && !this.has(`outputs.${path}`))
        this.failures.push(`outputs.${path}: the file has none`)
      this.expect(path, value, loosened)
    }
  }

  expectGrad(name: string, actual: Value, loosened?: Loosened): void {
    this.#against(`grads.${name}`, actual, loosened)
  }

  expectGrads(byPath: ReadonlyMap<string, Tensor>, loosened?: Loosened): void {
    if (this.dialect) {
      this.#pending.push(inDialect(byPath, this.dialect).then((renamed) => this.#allGrads(renamed, loosened)))
    } else {
      this.#allGrads(byPath, loosened)
    }
  }

  #allGrads(byName: ReadonlyMap<string, Tensor | Numbers>, loosened?: Loosened): void {
    for (const [name, gradient] of byName) {
      const fullName = `grads.weights.${name}`
      if (this.has(fullName)) this.#against(fullName, gradient, loosened)
      else this.#mustVanish(fullName, gradient)
    }
    for (const fullName of this.list(/^grads\.weights\./)) {
      const name = fullName.slice('grads.weights.'.length)
      if (!byName.has(name) && !this.ledger.isIgnored(fullName)) this.#against(fullName, this.#zerosLike(fullName))
    }
  }

  compare(label: string, actual: Value, expected: Numbers | readonly number[], tolerance: Tolerance): void {
    const reference: Numbers = 'shape' in expected ? expected : { shape: [expected.length], data: expected }
    this.ledger.use(label)
    this.#collect(label, actual, reference, tolerance)
  }

  ignore(pattern: RegExp | string, reason: string): void {
    this.ledger.ignore(pattern, reason)
  }

  async differentiate(what: Differentiate): Promise<void> {
    differentiateCase(this, what)
    await this.settled()
  }

  /** Waits until everything handed over has been compared. */
  async settled(): Promise<void> {
    while (this.#pending.length) await Promise.all(this.#pending.splice(0))
  }

  dispose(): void {
    for (const x of this.#inputs.values()) dispose(x)
    this.#inputs.clear()
  }

  #against(fullName: string, actual: Value, loosened?: Loosened): void {
    const { dtype } = this.fixture.stored(fullName)
    this.ledger.use(fullName)
    const tolerance = toleranceOf(this.name, this.json, fullName, isFloat(dtype))
    this.#collect(fullName, actual, this.read(fullName), loosen(tolerance, loosened), loosened?.reason)
  }

  #collect(label: string, actual: Value, expected: Numbers, tolerance: Tolerance, loosened?: string): void {
    const allowNonfinite = this.config?.allow_nonfinite === true
    this.#pending.push(
      readNumbers(actual, expected).then((numbers) => {
        const comparison = compareNumbers(label, numbers, expected, tolerance, allowNonfinite)
        this.comparisons.push(loosened ? { ...comparison, loosened } : comparison)
      }),
    )
  }

  /** The reference's loss does not reach this parameter. */
  #mustVanish(label: string, gradient: Tensor | Numbers): void {
    const { shape } = gradient
    this.#collect(label, gradient, { shape, data: new Float64Array(shape.reduce((a, b) => a * b, 1)) }, EXACT)
  }

  /** For a gradient that the reference has and ours lacks: right only if zero is within its tolerance. */
  #zerosLike(fullName: string): Numbers {
    const { shape } = this.fixture.stored(fullName)
    return { shape, data: new Float64Array(shape.reduce((a, b) => a * b, 1)) }
  }
}

const isValue = (x: Outputs): x is Value =>
  typeof x === 'number' ||
  ArrayBuffer.isView(x) ||
  'dataId' in x ||
  ('shape' in x && 'data' in x) ||
  (Array.isArray(x) && x.length > 0 && x.every((e) => typeof e === 'number'))

function int32Of(data: ArrayLike<number>, name: string): Int32Array {
  return Int32Array.from(data, (value) => {
    if (value !== (value | 0)) throw new Error(`Golden tensor '${name}': ${value} does not fit an int32.`)
    return value
  })
}
