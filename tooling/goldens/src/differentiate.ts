import {
  add,
  differentiate,
  isModule,
  mul,
  parametersOf,
  type Scalar,
  sum,
  type Tensor,
  tidy,
  zeros,
} from '@filature/tensor'
import type { Differentiate, Golden, Outputs } from './adapter.ts'
import { isTensor } from './read-numbers.ts'

const COTANGENT = 'inputs.cotangent.'

/** A case that takes down what fails beside its comparisons. */
type Failing = Golden & { readonly failures: string[] }

/** Forward under the tape, loss, backward; hands everything to the case's comparison. */
export function differentiateCase(golden: Failing, { model, forward, loss, loosened }: Differentiate): void {
  const withGradient = golden
    .list(/^grads\.inputs\./)
    .map((name) => name.slice('grads.inputs.'.length))
    .filter((name) => golden.has(`inputs.${name}`))
  const parameters =
    model && isModule(model) ? [...parametersOf(model)].filter(([, p]) => p.trainable && p.hasValue && !p.isPacked) : []

  tidy(() => {
    const inputs = withGradient.map((name) => golden.input(name))
    const { value, grads } = differentiate(
      () => {
        const outputs = forward()
        for (const [name, output] of Object.entries(outputs)) {
          if (output !== undefined) golden.expect(name, output, loosened)
        }
        return loss ? loss(outputs) : lossOf(golden, outputs)
      },
      () => [...inputs, ...parameters.map(([, p]) => p.value)],
    )
    golden.expect('loss', value, loosened)
    withGradient.forEach((name, i) => {
      const gradient = grads[i]
      if (gradient) golden.expectGrad(`inputs.${name}`, gradient, loosened)
      else golden.failures.push(`grads.inputs.${name}: the loss does not depend on that input`)
    })
    const byPath = new Map(parameters.map(([path, p], i) => [path, grads[inputs.length + i] ?? zeros(p.shape)]))
    if (model) golden.expectGrads(byPath, loosened)
  })
}

/** The case's own loss: sum over its cotangents of sum(output * cotangent), or the output that is the loss. */
function lossOf(golden: Golden, outputs: { readonly [name: string]: Outputs | undefined }): Scalar {
  const cotangents = golden.list(/^inputs\.cotangent\./).map((name) => name.slice(COTANGENT.length))
  if (cotangents.length === 0) return tensorAt(golden, outputs, 'loss') as Scalar
  return cotangents
    .map((name) => sum(mul(tensorAt(golden, outputs, name), golden.input(`cotangent.${name}`))) as Scalar)
    .reduce((a, b) => add(a, b) as Scalar)
}

/** The tensor under a dotted name of nested outputs; names may hold dots themselves (`cross_entropy.none.ls0.1`). */
function tensorAt(golden: Golden, outputs: Outputs, name: string): Tensor {
  const found = search(outputs, name)
  if (!found)
    throw new Error(`Golden ${golden.name}: the loss needs the output '${name}', which forward did not return.`)
  return found
}

function search(outputs: Outputs | undefined, name: string): Tensor | undefined {
  if (typeof outputs !== 'object' || outputs === null || isTensor(outputs)) return undefined
  for (const [key, value] of Object.entries(outputs)) {
    if (key === name && isTensor(value)) return value
    if (name.startsWith(`${key}.`)) {
      const found = search(value as Outputs | undefined, name.slice(key.length + 1))
      if (found) return found
    }
  }
  return undefined
}
