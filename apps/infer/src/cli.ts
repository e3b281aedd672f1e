#!/usr/bin/env node
import { FilatureError } from '@filature/tensor'
import { program } from './program.ts'

try {
  await program().parseAsync()
} catch (error) {
  // Errors made for people come without a stack.
  console.error(error instanceof FilatureError ? error.message : error)
  process.exitCode = 1
}
// Engines keep threads alive: when the work is done, so is the process.
process.exit()
