import { UsageError } from '@filature/tensor'
import { IMAGE } from './text.ts'

/** How the turns of a conversation are written as one prompt. */
export interface ConversationTemplate {
  system: string
  /** What stands before a question and before an answer. */
  roles: readonly [question: string, answer: string]
  /** What stands behind every turn. */
  separator: string
}

const SYSTEM =
  'Give the following image: <Img>ImageContent</Img>. ' +
  'You will be able to see the image once I provide it to you. Please answer my questions.'

/** The prompts that the published checkpoints were trained with. */
export const conversationTemplates = {
  /** MiniGPT-4 on Vicuna. */
  vicuna: { system: SYSTEM, roles: ['Human: ', 'Assistant: '], separator: '###' },
  /** MiniGPT-4 on LLaMA-2 chat. */
  'llama-2': { system: SYSTEM, roles: ['<s>[INST] ', ' [/INST] '], separator: '' },
  'minigpt-v2': { system: '', roles: ['<s>[INST] ', ' [/INST]'], separator: '' },
} as const satisfies Record<string, ConversationTemplate>

interface Turn {
  question: string
  answer?: string
}

/** A conversation about images, turn by turn. */
export class Conversation {
  readonly template: ConversationTemplate
  readonly #turns: Turn[] = []
  #images = 0
  /** Places of images that came since the last question. */
  #pending = ''

  constructor(template: ConversationTemplate = conversationTemplates.vicuna) {
    this.template = template
  }

  /** Number of images so far: as many as the prompt has places, once the question is asked that they stand before. */
  get images(): number {
    return this.#images
  }

  /** An image stands at the beginning of the next question. */
  addImage(): this {
    this.#pending += `<Img>${IMAGE}</Img> `
    this.#images++
    return this
  }

  ask(question: string): this {
    if (this.#turns.length && this.#turns.at(-1)!.answer === undefined) {
      throw new UsageError('conversation-turn', 'Conversation: the last question has no answer yet; call answer first.')
    }
    this.#turns.push({ question: this.#pending + question })
    this.#pending = ''
    return this
  }

  answer(answer: string): this {
    const last = this.#turns.at(-1)
    if (!last || last.answer !== undefined) {
      throw new UsageError('conversation-turn', 'Conversation: there is no question to answer; call ask first.')
    }
    last.answer = answer
    return this
  }

  /** The whole conversation, up to where the next answer begins. */
  get prompt(): string {
    const { system, roles, separator } = this.template
    const turns = this.#turns.map(
      ({ question, answer }) =>
        `${roles[0]}${question}${separator}${roles[1]}${answer === undefined ? '' : answer + separator}`,
    )
    return system + separator + turns.join('')
  }
}
