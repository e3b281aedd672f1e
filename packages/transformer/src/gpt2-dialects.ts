import { Dialect, type Rule, transposed } from '@filature/tensor'

/** The hub's GPT-2 files hold the bare model: its names without `transformer.`; the tied head is not stored. */
const bareNames: Rule = {
  toOurs: (table) =>
    new Map(
      [...table].map(([name, entry]) => [/^(transformer|lm_head)\./.test(name) ? name : `transformer.${name}`, entry]),
    ),
  toTheirs: (table) =>
    new Map(
      [...table]
        .filter(([name]) => name !== 'lm_head.weight')
        .map(([name, entry]) => [name.replace(/^transformer\./, ''), entry]),
    ),
}

/** GPT-2's layers that are stored (in, out). */
const conv1D = transposed(/\.(c_attn|c_proj|c_fc)\.weight$/)

export const gpt2Dialects = {
  /** `gpt2`, `distilgpt2` and their like, for `GPT2LMHeadModel`. */
  hub: new Dialect('GPT-2 as on the hub', [bareNames]),
  /** The same files for `NanoGPT`, whose linear layers are (out, in). Its GELU is exact, theirs the tanh approximation. */
  nanogpt: new Dialect('GPT-2 as on the hub, for nanoGPT', [bareNames, conv1D]),
} as const
