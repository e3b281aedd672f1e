import { readdirSync } from 'node:fs'
import { join, relative, resolve } from 'node:path'
import ts from 'typescript-5'
import { testCode } from './arrows.ts'

/** Reading a tensor back synchronously stalls WebGPU and is impossible on some devices: what ships awaits `data`. */
const readsBack = new Set(['dataSync', 'arraySync'])

/** tfjs declares its chained methods (`x.add(y)`) in this folder; their types accept any rank. */
const chained = '/tfjs-core/dist/public/chained_ops/'

const tests = new RegExp(`^${testCode}`)

/** What ships: the sources of packages without their tests. */
function shippedSources(root: string): string[] {
  return readdirSync(join(root, 'packages')).flatMap((name) => {
    const src = join(root, 'packages', name, 'src')
    return ts.sys
      .readDirectory(src, ['.ts'])
      .filter((file) => !tests.test(relative(join(root, 'packages', name), file)) && !file.endsWith('.d.ts'))
  })
}

function options(root: string): ts.CompilerOptions {
  const path = join(root, 'tooling/tsconfig/source.json')
  const { config, error } = ts.readConfigFile(path, ts.sys.readFile)
  if (error) throw new Error(`layers: ${path}: ${ts.flattenDiagnosticMessageText(error.messageText, '\n')}`)
  const parsed = ts.parseJsonConfigFileContent({ ...config, files: [] }, ts.sys, resolve(path, '..'))
  return { ...parsed.options, types: [], skipLibCheck: true }
}

/** Uses of tfjs that packages do without, one line each; by type, so that `set.add(x)` is left alone. */
export function banProblems(root: string): string[] {
  const files = shippedSources(root)
  const program = ts.createProgram(files, options(root))
  const checker = program.getTypeChecker()
  const wanted = new Set(files.map((file) => resolve(file)))

  const problems: string[] = []
  for (const source of program.getSourceFiles()) {
    if (!wanted.has(resolve(source.fileName))) continue
    const report = (node: ts.Node, text: string) => {
      const { line, character } = source.getLineAndCharacterOfPosition(node.getStart(source))
      problems.push(`${relative(root, source.fileName)}:${line + 1}:${character + 1} ${text}`)
    }
    const visit = (node: ts.Node): void => {
      if (ts.isPropertyAccessExpression(node)) {
        const name = node.name.text
        if (readsBack.has(name))
          report(node.name, `${name}: await data() instead; packages never read back synchronously`)
        else if (declaredIn(checker.getSymbolAtLocation(node.name), chained)) {
          report(node.name, `chained ${name}: use the typed op ${name}(...) of @filature/tensor`)
        }
      }
      ts.forEachChild(node, visit)
    }
    visit(source)
  }
  return problems
}

const declaredIn = (symbol: ts.Symbol | undefined, folder: string) =>
  symbol?.declarations?.some((declaration) => declaration.getSourceFile().fileName.includes(folder)) ?? false
