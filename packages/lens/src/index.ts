export { type CorpusStatistics, corpusStatistics, type LayerStatistics, splitCategories } from './composition.ts'
export { type Corpus, findMemories, type MemoryLayer, type MemoryModel } from './memory-model.ts'
export { type Seen, type SweepOptions, sweep } from './sweep.ts'
export {
  findTriggers,
  type Trigger,
  type TriggerOptions,
  type Triggers,
  type Truncation,
  truncateTriggers,
} from './triggers.ts'
export { type Agreement, agreement, type ReadValues, readValues, topTokens } from './values.ts'
