import { expect, it } from 'vitest'
import { BLEU_SIGNATURE, corpusBleu, tokens13a } from './bleu.ts'

// Numbers and tokens as sacreBLEU 2 gives them (corpus_bleu, tokenize 13a, smooth exp).

it.each([
  [
    "Hello, world! It's 3,000.5 km (about 2-3 days) &quot;away&quot;.",
    `Hello , world ! It's 3,000.5 km ( about 2 - 3 days ) " away " .`,
  ],
  [
    'a/b_c~d [x] 10% $5 e-mail U.S. 1990-1995, ok...',
    'a / b _ c ~ d [ x ] 10 % $ 5 e-mail U . S . 1990 - 1995 , ok . . .',
  ],
  ['¿Qué día? «sí» &amp;lt; x.', '¿Qué día ? «sí» < x .'],
  ['well-known 3.', 'well-known 3 .'],
  ['&amp;quot;', '& quot ;'],
  ['', ''],
])('splits %s', (text, tokens) => {
  expect(tokens13a(text).join(' ')).toBe(tokens)
})

it.each([
  [['the cat sat on the mat'], ['the cat sat on the mat'], 100, 1],
  // clipped counts: 2/7 1-grams; then 1/(2 6), 1/(4 5), 1/(8 4)
  [['the the the the the the the'], ['the cat is on the mat'], 7.809849842300637, 1],
  [
    ['It is a guide to action which ensures that the military always obeys the commands of the party.'],
    ['It is a guide to action that ensures that the military will forever heed Party commands.'],
    39.67088290836578,
    1,
  ],
  // too short for a 4-gram: no effective order
  [['a b c'], ['a b c'], 0, 1],
  // counts are summed over the corpus, and it is too short: exp(1 - 12 / 10)
  [
    ['the cat', 'a dog barked at the red moon tonight'],
    ['the cat slept', 'the dog barked at a red moon tonight.'],
    31.105042156452686,
    0.8187307530779819,
  ],
  [['x y z w'], ['a b c d'], 0, 1],
  [[''], ['a b'], 0, 0],
])('scores %j against %j', (hypotheses, references, score, penalty) => {
  const bleu = corpusBleu(hypotheses, references)
  expect(bleu.score).toBeCloseTo(score, 10)
  expect(bleu.brevityPenalty).toBeCloseTo(penalty, 10)
})

it('says how it scores, and wants a reference for each', () => {
  expect(BLEU_SIGNATURE).toContain('nrefs:1|case:mixed|eff:no|tok:13a|smooth:exp')
  expect(() => corpusBleu(['a'], [])).toThrow(/as many references/)
})
