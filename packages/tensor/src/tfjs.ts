// The door for bundlers: the core, its gradients and the plain cpu engine; nothing else of tfjs.
import '@tensorflow/tfjs-core/dist/register_all_gradients.js'
import '@tensorflow/tfjs-backend-cpu'

export * from '@tensorflow/tfjs-core'
