import { join } from 'node:path'
import { cruise, type IForbiddenRuleType } from 'dependency-cruiser'
import { type Arrows, below, testCode, workbench } from './arrows.ts'

const tests = `^packages/[^/]+/${testCode}`
const anyOf = (names: readonly string[]) => (names.length > 0 ? names.join('|') : 'nothing')

/** A module of ours: a resolved file, or the bare name where it does not resolve. */
const ours = (names: readonly string[]) => `^(packages/(${anyOf(names)})/|@filature/(${anyOf(names)})(/|$))`

function rules(list: Arrows): IForbiddenRuleType[] {
  const perPackage = Object.entries(list).flatMap(([name, allowed]): IForbiddenRuleType[] => [
    {
      name: `arrow-${name}`,
      comment: `${name} may import ${allowed.join(', ') || 'no other package'}.`,
      severity: 'error',
      from: { path: `^packages/${name}/`, pathNot: tests },
      to: { path: '^(packages/|@filature/)', pathNot: ours([name, ...allowed, ...workbench]) },
    },
    {
      name: `test-arrow-${name}`,
      comment: `Tests of ${name} may import what stands below it in the list of arrows.`,
      severity: 'error',
      from: { path: `^packages/${name}/${testCode}` },
      to: { path: '^(packages/|@filature/)', pathNot: ours([name, ...below(list, name), ...workbench]) },
    },
  ])
  return [
    ...perPackage,
    {
      name: 'unlisted',
      comment: 'A package stands in the list of arrows before it imports or is imported.',
      severity: 'error',
      from: { path: '^packages/', pathNot: ours(Object.keys(list)) },
      to: { path: '^(packages/|@filature/)' },
    },
    {
      name: 'workbench',
      comment: 'Only tests, benches and golden adapters use the workbench.',
      severity: 'error',
      from: { path: '^packages/[^/]+/src/', pathNot: tests },
      to: { path: `^(tooling/|@filature/(${anyOf(workbench)})(/|$))` },
    },
    {
      name: 'test-code',
      comment: 'What ships does not import tests, benches or golden adapters.',
      severity: 'error',
      from: { path: '^packages/[^/]+/src/', pathNot: tests },
      to: { path: tests },
    },
    {
      name: 'apps',
      comment: 'Apps combine packages; nothing imports an app.',
      severity: 'error',
      from: { path: '^(packages|tooling)/' },
      to: { path: '^apps/' },
    },
    {
      name: 'apps-apart',
      comment: 'An app imports no other app; what command lines share is apps/command-line.',
      severity: 'error',
      from: { path: '^apps/([^/]+)/' },
      to: { path: '^apps/', pathNot: '^apps/($1|command-line)/' },
    },
    {
      name: 'cycle',
      comment:
        'Files of a package do not import each other in a circle, for types neither: one idea would be in two files.',
      severity: 'error',
      from: { path: '^(packages|apps|tooling)/' },
      to: { circular: true },
    },
  ]
}

/** Imports that break the arrows, one line each. Paths are relative to the root of the tree. */
export async function importProblems(root: string, list: Arrows): Promise<string[]> {
  const result = await cruise(
    ['packages', 'apps', 'tooling'],
    {
      baseDir: root,
      ruleSet: { forbidden: rules(list) },
      validate: true,
      tsPreCompilationDeps: true,
      doNotFollow: { path: 'node_modules' },
      exclude: { path: 'node_modules|(^|/)dist/|(^|/)build/|/__fixtures__/' },
      includeOnly: { path: '^(packages|apps|tooling)/|^@filature/' },
      tsConfig: { fileName: join(root, 'tooling/tsconfig/source.json') },
      enhancedResolveOptions: {
        exportsFields: ['exports'],
        conditionNames: ['@filature/source', 'node', 'import', 'types', 'default'],
        extensions: ['.ts', '.mjs', '.js', '.json'],
      },
    },
    {},
  )
  if (typeof result.output === 'string') throw new Error(`layers: wanted a cruise result, got text: ${result.output}`)
  const comments = new Map(rules(list).map((rule) => [rule.name, rule.comment]))
  return result.output.summary.violations.map((violation) => {
    const path = violation.cycle ? violation.cycle.map(({ name }) => name).join(' -> ') : violation.to
    return `${violation.from} imports ${path} (${violation.rule.name}: ${comments.get(violation.rule.name)})`
  })
}
