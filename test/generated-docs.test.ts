import { readFileSync } from 'node:fs'
import { expect, test } from 'vitest'
import { commandsPage } from '../cli/document-commands.ts'
import { buildProgram } from '../cli/program.ts'
import { ConfigSchema } from '../service/config.ts'
import { configurationPage } from '../service/document-configuration.ts'
import { focusColumnsPage } from '../service/document-focus-columns.ts'

const read = (path: string) => readFileSync(new URL(`../${path}`, import.meta.url), 'utf8')

test('docs/cli.md, docs/configuration.md and docs/focus-columns.md are what `npm run docs` writes', async () => {
  expect(read('docs/cli.md')).toEqual(commandsPage(await buildProgram({})))
  expect(read('docs/configuration.md')).toEqual(configurationPage())
  expect(read('docs/focus-columns.md')).toEqual(focusColumnsPage())
})

test('.env.example has every variable of the configuration', () => {
  const variables = Object.keys(ConfigSchema.shape)
  expect(variables.filter((name) => !new RegExp(`^(?:# )?${name}=`, 'm').test(read('.env.example')))).toEqual([])
  expect(variables.length).toBeGreaterThan(8)
})
