import type { ProjectOf } from './collection.ts'

/** The project is what the named group `project` of the pattern matches. Throws TypeError for a pattern without such a group. */
export function projectByPattern(pattern: string): ProjectOf {
  const compiled = compile(pattern)
  return (name) => compiled.exec(name)?.groups?.['project'] || undefined
}

/** The project is the one that a table has for the name. */
export function projectByTable(projects: Readonly<Record<string, string>>): ProjectOf {
  return (name) => (Object.hasOwn(projects, name) ? projects[name] : undefined)
}

function compile(pattern: string): RegExp {
  let compiled: RegExp
  try {
    compiled = new RegExp(pattern, 'u')
  } catch (cause) {
    throw new TypeError(`"${pattern}" is not a regular expression (${cause instanceof Error ? cause.message : String(cause)}).`)
  }
  // With an empty alternative the pattern matches the empty text, and shows its groups.
  const groups = new RegExp(`${pattern}|`, 'u').exec('')?.groups ?? {}
  if (!Object.hasOwn(groups, 'project')) throw new TypeError(`"${pattern}" has no group (?<project>…), which says what the project is.`)
  return compiled
}
