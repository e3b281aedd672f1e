import type { Golden } from '@filature/goldens'
import * as ops from '@filature/tensor'
import {
  Buffer,
  Module,
  onesInit,
  Parameter,
  type Tensor,
  type Tensor2D,
  type Tensor3D,
  type Tensor4D,
} from '@filature/tensor'

const parameter = (golden: Golden, name: string) => new Parameter(shapeOf(golden, name), onesInit)
const shapeOf = (golden: Golden, name: string) => golden.json.tensors![`weights.${name}`]!.shape

/** Weight and bias of one layer, in the shapes of the file. */
class Weights extends Module {
  readonly weight: Parameter
  readonly bias: Parameter | undefined

  constructor(golden: Golden, name: string) {
    super()
    this.weight = parameter(golden, `${name}.weight`)
    this.bias = golden.has(`weights.${name}.bias`) ? parameter(golden, `${name}.bias`) : undefined
  }
}

class BatchNorm extends Weights {
  readonly running_mean: Buffer
  readonly running_var: Buffer
  readonly num_batches_tracked = new Buffer([], { dtype: 'int32' })

  constructor(golden: Golden, name: string) {
    super(golden, name)
    this.running_mean = new Buffer(this.weight.shape)
    this.running_var = new Buffer(this.weight.shape)
  }
}

/** The parameters of every layer that ops_layers runs. */
export class OpsLayers extends Module {
  readonly ln: Weights
  readonly ln2: Weights
  readonly emb: Weights
  readonly lin: Weights
  readonly nobias: Weights
  readonly conv: Weights
  readonly patch: Weights
  readonly conv1: Weights
  readonly gn: Weights
  readonly bn: BatchNorm
  readonly rms: Parameter
  readonly bil: Weights

  constructor(golden: Golden) {
    super()
    this.ln = new Weights(golden, 'ln')
    this.ln2 = new Weights(golden, 'ln2')
    this.emb = new Weights(golden, 'emb')
    this.lin = new Weights(golden, 'lin')
    this.nobias = new Weights(golden, 'nobias')
    this.conv = new Weights(golden, 'conv')
    this.patch = new Weights(golden, 'patch')
    this.conv1 = new Weights(golden, 'conv1')
    this.gn = new Weights(golden, 'gn')
    this.bn = new BatchNorm(golden, 'bn')
    this.rms = parameter(golden, 'rms')
    this.bil = new Weights(golden, 'bil')
  }
}

export function layersForward(golden: Golden, m: OpsLayers): Record<string, Tensor> {
  const { config } = golden
  const x = golden.input<Tensor3D>('x') // (B, T, C)
  const img = golden.input<Tensor4D>('img') // (B, 3, H, W)
  const lin = ops.linear(x, m.lin.weight.value, m.lin.bias?.value)
  const conv2d = ops.conv2d(img, m.conv.weight.value as Tensor4D, m.conv.bias?.value, config.conv2d)
  const patches = ops.conv2d(img, m.patch.weight.value as Tensor4D, m.patch.bias?.value, config.patch) // (B, C, h, w)
  const conv1d = ops.conv1d(
    golden.input<Tensor3D>('seq'),
    m.conv1.weight.value as Tensor3D,
    m.conv1.bias?.value,
    config.conv1d,
  )
  const { running_mean, running_var } = m.bn
  return {
    layer_norm: ops.layerNorm(x, m.ln.weight.value, m.ln.bias?.value, config.layer_norm_eps),
    layer_norm_2d: layerNorm2d(x, m.ln2, config.layer_norm_2d_eps),
    embedding: ops.embedding(m.emb.weight.value, golden.input('ids'), config.embedding_padding_idx),
    linear: lin,
    linear_nobias: ops.linear(x, m.nobias.weight.value),
    conv2d,
    patch_embed: ops.rearrange(patches, 'b c h w -> b (h w) c'),
    conv1d,
    group_norm: ops.groupNorm(
      conv2d,
      config.group_norm.groups,
      m.gn.weight.value,
      m.gn.bias?.value,
      config.group_norm.eps,
    ),
    batch_norm_eval: ops.batchNorm(img, running_mean.value, running_var.value, m.bn.weight.value, m.bn.bias?.value),
    rms_norm: ops.rmsNorm(x, m.rms.value, config.rms_norm_eps),
    max_pool: ops.maxPool2d(img, 2),
    avg_pool: ops.avgPool2d(img, 2),
    bilinear_layer: bilinear(lin, x, m.bil),
    ...resized(golden, img),
  }
}

/** Torch's LayerNorm over the last two axes: over one axis of both together. x (B, T, C) */
function layerNorm2d(x: Tensor3D, { weight, bias }: Weights, eps: number): Tensor {
  const rows: Tensor2D = ops.reshape(x, [x.shape[0], -1])
  const y = ops.layerNorm(rows, ops.reshape(weight.value, [-1]), bias && ops.reshape(bias.value, [-1]), eps)
  return ops.reshape(y, x.shape)
}

/** Torch's Bilinear: y_o = a^T W_o b + bias_o; a (B, T, I), b (B, T, J), weight (O, I, J) */
function bilinear(a: Tensor3D, b: Tensor3D, { weight, bias }: Weights): Tensor {
  const y = ops.einsum('b t i, o i j, b t j -> b t o', a, weight.value, b)
  return bias ? ops.add(y, bias.value) : y
}

/** Sizes as the case's config writes them: "(5,17) align_corners False". */
function resized(golden: Golden, img: Tensor4D): Record<string, Tensor> {
  const { interpolate, pools } = golden.config as { interpolate: Record<string, string>; pools: string }
  const sizeIn = (text: string): [number, number] => {
    const match = /\((\d+), ?(\d+)\)/.exec(text)!
    return [Number(match[1]), Number(match[2])]
  }
  const outputs: Record<string, Tensor> = { adaptive_avg_pool: ops.adaptiveAvgPool2d(img, sizeIn(pools)) }
  for (const [name, text] of Object.entries(interpolate)) {
    const mode = name.replace('_ac', '') as ops.Interpolation
    const alignCorners = text.includes('align_corners True')
    outputs[`interp_${name}`] = ops.interpolate(img, sizeIn(text), mode, { alignCorners })
  }
  return outputs
}
