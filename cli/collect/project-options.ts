import { readFileSync } from 'node:fs'
import { z } from 'zod'
import type { ProjectOf } from '../../emitter/collectors/collection.ts'
import { projectByPattern, projectByTable } from '../../emitter/collectors/project-names.ts'
import { usageError } from '../errors.ts'

export interface ProjectOptions {
  readonly projectPattern?: string
  readonly projects?: string
}

/** Reads --project-pattern or --projects; without them the default pattern applies. Throws CliError. */
export function requireProjectOf({ projectPattern, projects }: ProjectOptions, defaultPattern: string): ProjectOf {
  if (projects !== undefined && projectPattern !== undefined) throw usageError('--project-pattern and --projects are given.', 'Give one of them.')
  return projects === undefined ? requirePattern(projectPattern ?? defaultPattern) : projectByTable(readTable(projects))
}

/** Throws CliError for what is no pattern with a group of this name. */
export function requirePattern(pattern: string): ProjectOf {
  try {
    return projectByPattern(pattern)
  } catch (error) {
    throw usageError(`--project-pattern ${error instanceof Error ? error.message : String(error)}`, "Example: '^app_(?<project>.+)$'")
  }
}

const Table = z.record(z.string(), z.string().min(1))

function readTable(path: string): Record<string, string> {
  try {
    return Table.parse(JSON.parse(readFileSync(path, 'utf8')))
  } catch (error) {
    const why = error instanceof z.ZodError || error instanceof SyntaxError ? 'is no JSON object of names and project ids' : `cannot be read (${String(error)})`
    throw usageError(`The file ${path} of --projects ${why}.`, 'Example of its content: {"app_one": "prj_1", "app_two": "prj_2"}')
  }
}
