import { Llama } from '@filature/llama'
import { QFormer } from '@filature/qformer'
import {
  applyLora,
  cpu,
  freeze,
  init,
  mul,
  narrow,
  ones,
  parametersOf,
  Rng,
  tidy,
  training,
  useBackend,
  valueAndGrads,
} from '@filature/tensor'
import { expectNoLeak, randomTensor } from '@filature/testing'
import { AdamW } from '@filature/train'
import { EvaViT } from '@filature/vision'
import { beforeAll, describe, expect, it } from 'vitest'
import { applyStage, Conversation, conversationTemplates, MiniGPT4, type TextCodec } from './index.ts'

const codec: TextCodec = {
  encode: (text) => [...text].map((char) => 4 + (char.charCodeAt(0) % 60)),
  decode: (ids) => ids.join(' '),
  bosId: 1,
  bosToken: '^',
  eosId: 2,
  padId: 3,
}
const parts = () => ({
  vision: new EvaViT({ img_size: 16, patch_size: 8, embed_dim: 12, depth: 1, num_heads: 2, drop_path_rate: 0.2 }),
  qformer: new QFormer({
    hidden_size: 16,
    num_hidden_layers: 1,
    num_attention_heads: 2,
    intermediate_size: 20,
    encoder_width: 12,
    query_length: 3,
    text_branch: false,
  }),
  llama: new Llama({
    vocab_size: 64,
    hidden_size: 16,
    intermediate_size: 24,
    num_hidden_layers: 1,
    num_attention_heads: 2,
  }),
  codec,
})
const build = (options = {}) => init(new MiniGPT4(parts(), options), new Rng(0))
/** With weights so large that what is seen and asked tells. */
const lively = () => {
  const model = build()
  for (const parameter of parametersOf(model).values()) tidy(() => parameter.assign(mul(parameter.value, 6)))
  return model
}
const samples = { image: ones([1, 3, 16, 16]), instruction_input: ['<Img><ImageHere></Img> hi'], answer: ['ok'] }

beforeAll(async () => {
  await useBackend(cpu())
})

describe('MiniGPT4', () => {
  it('trains only what the stage says', () => {
    const model = build()
    expect(applyStage(model, 'minigpt4-stage2')).toEqual(['llama_proj.weight', 'llama_proj.bias'])
    tidy(() => {
      const { grads } = valueAndGrads(model, () => model.loss(samples))
      expect([...grads.keys()]).toEqual(['llama_proj.weight', 'llama_proj.bias'])
    })
    applyLora(model.llama_model, ['q_proj', 'v_proj'], { r: 2, alpha: 4 })
    const trained = applyStage(model, 'minigpt-v2')
    expect(trained.filter((path) => path.includes('lora_'))).toHaveLength(4)
    expect(() => applyStage(model, 'stage9' as never)).toThrow(/wanted a stage of/)
  })

  it('runs frozen towers without dropout and stochastic depth while the rest trains, as the reference holds them', () => {
    const model = build()
    const plain = model.loss(samples).dataSync()[0]
    const trained = () => [1, 2, 3].map((n) => training(model, new Rng(n), () => model.loss(samples).dataSync()[0]))
    expect(new Set(trained()).size).toBeGreaterThan(1) // the vision model drops paths, the Q-Former drops cells
    applyStage(model, 'minigpt4-stage1')
    expect(trained()).toEqual([plain, plain, plain])
    applyStage(model, 'all')
    freeze(model, (path) => path.startsWith('visual_encoder'))
    expect(new Set(trained()).size).toBeGreaterThan(1)
  })

  it('leaves frozen parts as they are through steps of training', async () => {
    const model = build()
    const moved = applyStage(model, 'minigpt4-stage1')
    const before = new Map([...parametersOf(model)].map(([path, it]) => [path, Array.from(it.value.dataSync())]))
    using optimizer = new AdamW(model, { weightDecay: 0.1 })
    for (let step = 0; step < 3; step++) {
      tidy(() => optimizer.step(valueAndGrads(model, () => model.loss(samples)).grads, 0.01))
    }
    const changed = [...parametersOf(model)].filter(([path, it]) => {
      return Array.from(it.value.dataSync()).some((value, i) => value !== before.get(path)![i])
    })
    expect(changed.map(([path]) => path)).toEqual(moved)
  })

  it('gives a fresh LoRA no effect', () => {
    const model = build()
    const before = model.loss(samples).dataSync()[0]
    const [path] = applyLora(model.llama_model, ['q_proj'], { r: 2, alpha: 4 })
    expect(path).toBe('model.layers.0.self_attn.q_proj')
    init(model, new Rng(0))
    expect(model.loss(samples).dataSync()[0]).toBe(before)
  })

  it('counts places and images', () => {
    const model = build()
    expect(() => model.loss({ ...samples, instruction_input: ['no image'] })).toThrow(/0 places .* for 1 images/)
    expect(() => model.loss({ ...samples, answer: [] })).toThrow(/an answer for each/)
    expect(() => model.loss({ conv_q: ['a|b'], conv_a: ['x'], connect_sym: '|' })).toThrow(/2 questions and 1 answers/)
    expect(() => model.loss({ conv_q: ['a'], conv_a: ['x', 'y'], connect_sym: '|' })).toThrow(/each of 1 conv.* got 2/)
  })

  it('passes over no image, and wants a prompt', async () => {
    const model = build()
    const { image, instruction_input: prompts } = samples
    const two = { ...samples, instruction_input: [...prompts, 'none'], answer: ['a', 'b'] }
    expect(() => model.loss(two)).toThrow(/wanted the images of 2 prompts, .* got \[1,3,16,16\]/)
    const images = ones([2, 3, 16, 16])
    expect(() => model.loss({ ...samples, image: images })).toThrow(/wanted the images of 1 prompts/)
    expect(() => model.loss({ ...samples, length: [1, 1] })).toThrow(/a length for each of 1 prompts, got 2/)
    await expect(model.answer({ prompts, image: images })).rejects.toThrow(/wanted the images of 1 prompts/)
    await expect(model.answer({ prompts: [...prompts, 'none'], image })).rejects.toThrow(/the images of 2 prompts/)
    await expect(model.answer({ prompts: [] })).rejects.toThrow(/one prompt or more/)
    expect(() => model.loss({ instruction_input: [], answer: [] })).toThrow(/one prompt or more/)
  })

  it('cuts answers and prompts at their limits', () => {
    const model = build({ maxTextLength: 4, maxContextLength: 10 })
    const { labels, embeds } = model.trainingInputs({ ...samples, answer: ['a long answer'] })
    expect(embeds.shape[1]).toBe(1 + 10 + 4)
    expect(labels.dataSync().filter((label) => label !== -100)).toHaveLength(4)
  })

  it('answers with several images, greedily and as a stream, and leaves nothing behind', async () => {
    const model = build()
    const question = {
      prompts: ['<ImageHere> and <ImageHere>: which?'],
      image: randomTensor('two images', [1, 2, 3, 16, 16]),
    }
    const { rows } = await model.answer(question, { maxNewTokens: 4, minNewTokens: 4 })
    const streamed: number[] = []
    for await (const { tokens } of model.answerStream(question, { maxNewTokens: 4, minNewTokens: 4 }))
      streamed.push(...tokens.map(Number))
    expect(rows[0]!.ids).toHaveLength(4)
    expect(streamed).toEqual(rows[0]!.ids)
    // a stream that is left early, or never begun, holds nothing
    await expectNoLeak(async () => {
      for await (const _ of model.answerStream(question, { maxNewTokens: 4 })) break
      model.answerStream(question)
    })
    await expectNoLeak(async () => void (await model.answer(question, { maxNewTokens: 3 })))
    await expectNoLeak(() => tidy(() => void valueAndGrads(model, () => model.loss(samples))))
  })

  it('answers greedily, by draws and by beams, a batch as each of its questions alone', async () => {
    const model = lively()
    const prompts = ['<ImageHere> what?', 'of <ImageHere> and more, which is it?']
    const image = randomTensor('pictures', [2, 3, 16, 16])
    const ways = [{}, { numBeams: 3, numReturnSequences: 2 }, { sample: true, rng: 3, temperature: 3 }]
    const answers = async (way: object, ofRow?: number) => {
      const question =
        ofRow === undefined
          ? { prompts, image }
          : { prompts: [prompts[ofRow]!], image: narrow(image, 0, ofRow, ofRow + 1) }
      const { rows } = await model.answer(question, { maxNewTokens: 5, minNewTokens: 5, ...way })
      return rows.map(({ ids }) => ids)
    }
    const [greedy, beams, drawn] = await Promise.all(ways.map((way) => answers(way)))
    expect([greedy!.length, beams!.length, drawn!.length]).toEqual([2, 4, 2])
    for (const way of ways.slice(0, 2)) {
      expect([...(await answers(way, 0)), ...(await answers(way, 1))]).toEqual(await answers(way))
    }
    expect(drawn).not.toEqual(greedy)
    expect(await answers(ways[2]!)).toEqual(drawn) // the seed says it
    expect(await answers({ ...ways[2], rng: 4 })).not.toEqual(drawn)
    // another picture, another answer
    const other = await model.answer({ prompts, image: mul(image, -3) }, { maxNewTokens: 5, minNewTokens: 5 })
    expect(other.rows.map(({ ids }) => ids)).not.toEqual(greedy)
  })

  it('answers a conversation of several turns and images, up to the separator', async () => {
    const model = lively()
    const talk = new Conversation()
      .addImage()
      .ask('What is it?')
      .answer('A cat.')
      .addImage()
      .addImage()
      .ask('And these?')
    expect(talk.images).toBe(3)
    const question = { prompts: [talk.prompt], image: randomTensor('three', [1, 3, 3, 16, 16]) }
    const { embeds, lengths } = model.context(question.prompts, model.imagesOf(question))
    const characters = talk.prompt.replaceAll('<ImageHere>', '').length
    expect([embeds.shape[1], lengths]).toEqual([1 + characters + 3 * 3, [1 + characters + 3 * 3]])
    const text = () => ({ push: (id: number) => String.fromCharCode(64 + (id % 26)), end: () => '' })
    const whole = await model.answer(question, { maxNewTokens: 6, minNewTokens: 6, text })
    const stop = whole.rows[0]!.text!.slice(2, 4)
    const cut = await model.answer(question, { maxNewTokens: 6, minNewTokens: 6, text, stopStrings: [stop] })
    expect(cut.rows[0]).toMatchObject({
      finish: 'stop',
      text: whole.rows[0]!.text!.slice(0, whole.rows[0]!.text!.indexOf(stop)),
    })
    await expect(model.answer({ ...question, image: ones([1, 2, 3, 16, 16]) }, {})).rejects.toThrow(
      /3 places .* for 2 images/,
    )
  })

  it('refuses parts that do not fit', () => {
    const other = {
      ...parts(),
      vision: new EvaViT({ img_size: 16, patch_size: 8, embed_dim: 20, depth: 1, num_heads: 2 }),
    }
    expect(() => new MiniGPT4(other)).toThrow(/encoder_width is 12, but the vision model's width is 20/)
  })
})

describe('Conversation', () => {
  it('writes the prompts of the published checkpoints', () => {
    const talk = new Conversation(conversationTemplates.vicuna).addImage().ask('What is it?')
    expect(talk.prompt).toMatch(/questions\.###Human: <Img><ImageHere><\/Img> What is it\?###Assistant: $/)
    talk.answer('A cat.').ask('Why?')
    expect(talk.prompt).toMatch(/###Assistant: A cat\.###Human: Why\?###Assistant: $/)
    expect(talk.images).toBe(1)
    const v2 = new Conversation(conversationTemplates['minigpt-v2']).ask('[vqa] x')
    expect(v2.prompt).toBe('<s>[INST] [vqa] x [/INST]')
    expect(() => v2.ask('again')).toThrow(/no answer yet/)
    expect(() => new Conversation().answer('x')).toThrow(/no question/)
  })
})
