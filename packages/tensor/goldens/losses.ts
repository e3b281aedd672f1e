import type { Golden } from '@filature/goldens'
import type { Tensor, Tensor1D, Tensor2D } from '@filature/tensor'
import * as ops from '@filature/tensor'

/** The outputs of ops_losses; reductions, class weights and smoothing are read from their names. */
export function losses(golden: Golden): Record<string, Tensor> {
  const names = golden.list(/^outputs\.(?!loss$)/).map((name) => name.slice('outputs.'.length))
  return Object.fromEntries(names.map((name) => [name, lossOf(name, golden)]))
}

// The case's beta and delta do not stand in its config: they are the reference's 0.5 and 0.7.
function lossOf(name: string, golden: Golden): Tensor {
  const logits = golden.input<Tensor2D>('logits')
  const labels = golden.input<Tensor1D>('target')
  const pred = golden.input<Tensor2D>('pred')
  const ignoreIndex: number = golden.config.ignore_index
  switch (name) {
    case 'cross_entropy.soft_targets':
      return ops.softCrossEntropy(logits, golden.input('const_p'))
    case 'nll':
      return ops.nllLoss(ops.logSoftmax(logits), labels, { ignoreIndex })
    case 'mse':
      return ops.mseLoss(pred, golden.input('const_y'))
    case 'l1':
      return ops.l1Loss(pred, golden.input('const_y'))
    case 'smooth_l1':
      return ops.smoothL1Loss(pred, golden.input('const_y'), { beta: golden.config.smooth_l1_beta ?? 0.5 })
    case 'huber':
      return ops.huberLoss(pred, golden.input('const_y'), { delta: golden.config.huber_delta ?? 0.7 })
    case 'bce_with_logits':
      return ops.bceWithLogitsLoss(pred, golden.input('const_bin'))
    case 'kl_div_batchmean':
      return ops.klDivLoss(ops.logSoftmax(pred), golden.input('const_p'))
    case 'softmax':
      return ops.softmax(logits)
    case 'log_softmax':
      return ops.logSoftmax(logits)
    case 'logsumexp':
      return ops.logSumExp(logits)
  }
  const match = /^cross_entropy\.(none|mean|sum)(\.weighted)?(?:\.ls(.*))?$/.exec(name)
  if (!match) throw new Error(`ops_losses: no loss for the output '${name}'`)
  const [, reduction, weighted, smoothing = '0'] = match
  return ops.crossEntropy(logits, labels, {
    reduction: reduction as ops.Reduction,
    ignoreIndex,
    labelSmoothing: Number(smoothing),
    ...(weighted ? { weight: golden.input('const_weight') } : {}),
  })
}
