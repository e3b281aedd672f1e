import { type Adapter, adapter } from '@filature/goldens'
import { activations } from './activations.ts'
import { layersForward, OpsLayers } from './layers.ts'
import { losses } from './losses.ts'

export const adapters: Adapter[] = [
  adapter({
    cases: ['ops_activations'],
    run: (golden) => golden.differentiate({ forward: () => activations(golden) }),
  }),
  adapter({
    cases: ['ops_layers'],
    model: (golden) => new OpsLayers(golden),
    run: (golden, model) => golden.differentiate({ model, forward: () => layersForward(golden, model) }),
  }),
  adapter({
    cases: ['ops_losses'],
    run: (golden) => golden.differentiate({ forward: () => losses(golden) }),
  }),
]
