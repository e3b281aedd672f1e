import { adapter, type Golden } from '@filature/goldens'
import { Llama } from '@filature/llama'
import { QFormer } from '@filature/qformer'
import {
  applyLora,
  capture,
  freeze,
  narrow,
  ones,
  squeeze,
  type Tensor,
  tensor,
  tidy,
  valueAndGrads,
} from '@filature/tensor'
import { AdamW, byStep, linearWarmupCosine } from '@filature/train'
import { EvaViT } from '@filature/vision'
import { MiniGPT4, peftDialect, type Samples, type TextCodec } from '../src/index.ts'

/** The references' stand-in for a tokenizer: a character is one token. */
function standIn(vocabulary: number): TextCodec {
  const BOS = '\u0001'
  return {
    encode: (text) => [...text].map((char) => (char === BOS ? 1 : 3 + (char.codePointAt(0)! % (vocabulary - 4)))),
    decode: (ids) => ids.join(' '),
    bosId: 1,
    bosToken: BOS,
    eosId: 2,
    padId: vocabulary - 1,
  }
}

function describe({ config }: Golden): MiniGPT4 {
  const vision = new EvaViT(config.vit)
  const qformer = config.has_qformer
    ? new QFormer({
        ...config.qformer,
        query_length: config.num_query_token,
        encoder_width: config.vit.embed_dim,
        text_branch: false,
      })
    : undefined
  return new MiniGPT4(
    { vision, qformer, llama: new Llama(config.llama), codec: standIn(config.llama.vocab_size) },
    {
      maxTextLength: config.max_txt_len,
      maxContextLength: config.max_context_len,
      endSymbol: config.end_sym,
      promptTemplate: config.prompt_template,
      chatTemplate: config.chat_template ?? false,
    },
  )
}

function samplesOf(golden: Golden, image: Tensor = golden.input('image')): Samples {
  const { connect_sym, ...samples } = golden.config.samples
  return { ...samples, ...(connect_sym ? { connect_sym: connect_sym[0] } : {}), image }
}

export const adapters = [
  adapter({
    cases: [
      'minigpt4_forward',
      'minigpt4_conversation',
      'minigpt4_image_train',
      'minigpt4_no_qformer',
      'minigpt_v2_forward',
    ],
    model: describe,
    run: async (golden, model) => {
      const samples = samplesOf(golden)
      await golden.differentiate({ model, forward: () => ({ loss: model.loss(samples) }) })
      using seen = capture(model, ['image_embeds', 'query_output', 'image_tokens'], () =>
        tidy(() => model.imagesOf(samples)),
      )
      tidy(() => {
        golden.expect('image_embeds', seen.activations.get('image_embeds')!)
        const tokens = seen.activations.get('image_tokens')! // (B, Q, C)
        golden.expect('img_embeds', tokens)
        golden.expect('img_atts', ones(tokens.shape.slice(0, 2), 'int32')) // images are never padded
        const queries = seen.activations.get('query_output')
        if (queries) golden.expect('query_output', queries)
        const { embeds, mask, labels } = model.trainingInputs(samples)
        golden.expect('llama', { inputs_embeds: embeds, attention_mask: mask, labels })
        golden.expect('cat_embs', narrow(embeds, 1, 1))
        golden.expect('cat_atts', narrow(mask, 1, 1))
        golden.expect('logits', model.llama_model.logits({ embeds, attentionMask: mask }))
        golden.expect('loss_none', model.loss(samples, { reduction: 'none' }))
        const { targets, prompt } = model.prepare(samples)
        golden.expect('cond_embeds', prompt.embeds)
        golden.expect('cond_atts', prompt.mask)
        golden.expect('input_lens', prompt.lengths)
        const table = (rows: number[][]) => tensor(rows.flat(), [rows.length, rows[0]!.length], 'int32')
        golden.expect('regress_atts', table(targets.mask))
        golden.expect('part_targets', table(targets.labels))
        golden.expect('regress_embeds', model.llama_model.model.embed_tokens.forward(table(targets.ids)))
      })
    },
  }),
  adapter({
    cases: ['minigpt_v2_lora'],
    model: (golden) => {
      const model = describe(golden)
      const { r, lora_alpha: alpha, lora_dropout: dropout, target_modules } = golden.config.lora
      applyLora(model.llama_model, target_modules, { r, alpha, dropout })
      // the reference's gradients are of everything but the vision tower
      freeze(model, (path) => /^(visual_encoder|ln_vision)/.test(path))
      return model
    },
    dialect: () => peftDialect(),
    run: async (golden, model) => {
      const samples = samplesOf(golden)
      await golden.differentiate({ model, forward: () => ({ loss: model.loss(samples) }) })
      tidy(() => {
        const { embeds, mask } = model.trainingInputs(samples)
        golden.expect('logits', model.llama_model.logits({ embeds, attentionMask: mask }))
        golden.expect('loss_none', model.loss(samples, { reduction: 'none' }))
      })
    },
  }),
  adapter({
    cases: ['minigpt4_training'],
    model: (golden) => {
      const model = describe(golden)
      freeze(model, (path) => !path.startsWith('llama_proj'))
      return model
    },
    run: async (golden, model) => {
      const { init_lr, min_lr, warmup_start_lr, warmup_steps, weight_decay, betas, max_epoch, iters_per_epoch } =
        golden.config.training
      const schedule = byStep(
        linearWarmupCosine({
          lr: init_lr,
          minLr: min_lr,
          epochs: max_epoch,
          itersPerEpoch: iters_per_epoch,
          warmupSteps: warmup_steps,
          warmupStartLr: warmup_start_lr,
        }),
        iters_per_epoch,
      )
      using optimizer = new AdamW(model, { betas, weightDecay: weight_decay }, [
        { match: (_, parameter) => parameter.shape.length < 2, weightDecay: 0 },
      ])
      const images = golden.input('images')
      const steps = max_epoch * iters_per_epoch
      const losses: number[] = []
      const rates: number[] = []
      const trajectory: Record<string, number[]> = { weight: [], bias: [] }
      for (let step = 0; step < steps; step++) {
        const lr = schedule(step)
        rates.push(lr)
        const loss = tidy(() => {
          const samples = samplesOf(golden, squeeze(narrow(images, 0, step, step + 1), [0]))
          const { value, grads } = valueAndGrads(model, () => model.loss(samples))
          optimizer.step(grads, lr)
          return value
        })
        losses.push((await loss.data())[0]!)
        loss.dispose()
        for (const name of ['weight', 'bias'] as const)
          trajectory[name]!.push(...(await model.llama_proj[name]!.value.data()))
      }
      golden.expect('losses', losses)
      golden.expect('lr', rates)
      for (const name of ['weight', 'bias'] as const) {
        const shape = [steps, ...model.llama_proj[name]!.shape]
        golden.expect(`llama_proj.${name}`, { shape, data: trajectory[name]! })
      }
    },
  }),
  adapter({
    cases: ['minigpt4_generate'],
    model: describe,
    run: async (golden, model) => {
      const { texts, runs } = golden.config
      tidy(() => {
        const { embeds, mask } = model.context(texts, model.imagesOf({ image: golden.input('image') }))
        golden.expect('embs', embeds)
        golden.expect('attn_mask', mask)
      })
      for (const [name, options] of Object.entries<Record<string, number>>(runs)) {
        const { sequences } = await model.answer(
          { prompts: texts, image: golden.input('image') },
          {
            maxNewTokens: options.max_new_tokens,
            numBeams: options.num_beams,
            repetitionPenalty: options.repetition_penalty,
            minLength: options.min_length ?? 1,
            padId: golden.config.llama.pad_token_id,
          },
        )
        golden.expect(`${name}.tokens`, { shape: sequences.shape, data: sequences.ids })
      }
    },
  }),
]
