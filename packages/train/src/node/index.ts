export { stopOnInterrupt } from './interrupt.ts'
export { jsonlMetrics } from './jsonl.ts'
export { duration, type ProgressBarOptions, progressBar } from './progress-bar.ts'
export { bestCheckpoint, newestCheckpoint, type TrainingFolderOptions, trainingFolder } from './training-folder.ts'
