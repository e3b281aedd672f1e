import { Conv2d, Linear, type Module, modulesOf, parametersOf } from '@filature/tensor'

/**
 * How EVA's `convert_weights_to_fp16` holds a model: the weights of convolutions and linear layers in half the bytes,
 * everything else (norms, positions, tokens, biases) in float32. For `load(model, checkpoint, { dtype })` of
 * `@filature/checkpoint`, so that the model never takes more; the half type is bfloat16.
 */
export function halfPrecision(model: Module): (path: string) => 'bf16' | 'float32' {
  const halved = new Set<unknown>()
  for (const [, module] of modulesOf(model)) {
    if (module instanceof Linear || module instanceof Conv2d) halved.add(module.weight)
  }
  const paths = new Set([...parametersOf(model)].flatMap(([path, it]) => (halved.has(it) ? [path] : [])))
  return (path) => (paths.has(path) ? 'bf16' : 'float32')
}
