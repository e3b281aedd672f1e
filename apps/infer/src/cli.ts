#!/usr/bin/env node
import { runProgram } from '@filature/command-line'
import { program } from './program.ts'

await runProgram(program())
