import { Dialect, rename } from '@filature/tensor'

/** Checkpoints whose language model peft has wrapped for LoRA: one level more in every name of `llama_model`. */
export const peftDialect = (): Dialect => new Dialect('peft', [rename('llama_model.base_model.model', 'llama_model')])
