#!/usr/bin/env node
import { FilatureError } from '@filature/tensor'
import { TokenizerError } from '@filature/tokenizers'
import { program } from './program.ts'

try {
  await program().parseAsync()
} catch (error) {
  // Errors made for people come without a stack.
  const isForPeople = error instanceof FilatureError || error instanceof TokenizerError
  console.error(isForPeople ? error.message : error)
  process.exitCode = 1
}
// Engines keep threads alive: when the work is done, so is the process.
process.exit()
