import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { basename } from 'node:path'
import { CliError, EXIT } from '../errors.ts'

/** A page of the documentation. */
export interface Topic {
  /** As it is typed, for example "billing" or "operating/kafka". */
  readonly name: string
  readonly title: string
  readonly markdown: string
}

const PAGE = '.md'
/** A folder's own page has the name of the folder. */
const OF_FOLDER = '/README'
const SUGGESTIONS_MAX = 3

/** All pages, those of folders last. Throws CliError for an installation without documentation. */
export function readTopics(): Topic[] {
  const folder = findFolder()
  const files = readdirSync(folder, { recursive: true, encoding: 'utf8' }).filter((file) => file.endsWith(PAGE))
  const topics = files.map((file) => {
    const markdown = readFileSync(new URL(file.replaceAll('\\', '/'), folder), 'utf8')
    return { name: topicOf(file.replaceAll('\\', '/')), title: /^# (.*)$/m.exec(markdown)?.[1] ?? file, markdown }
  })
  return topics.sort((one, other) => depthOf(one) - depthOf(other) || (one.name < other.name ? -1 : 1))
}

/** The topic of this name, or of this last part of a name. Throws CliError that names the closest ones. */
export function requireTopic(topics: readonly Topic[], given: string): Topic {
  const wanted = topicOf(given.toLowerCase().replace(/^docs\//, ''))
  const found = topics.find(({ name }) => name === wanted) ?? topics.find(({ name }) => basename(name) === wanted)
  if (found !== undefined) return found
  const closest = [...topics].sort((one, other) => likeness(other, wanted) - likeness(one, wanted)).slice(0, SUGGESTIONS_MAX)
  throw new CliError(`There is no topic "${given}".`, EXIT.notFound, {
    code: 'TOPIC_NOT_FOUND',
    next: `Closest are: ${closest.map(({ name }) => name).join(', ')}. List all with "meterline docs".`,
  })
}

/** The name of the topic that a file of the documentation holds. */
export function topicOf(file: string): string {
  const name = file.endsWith(PAGE) ? file.slice(0, -PAGE.length) : file
  return name.endsWith(OF_FOLDER) ? name.slice(0, -OF_FOLDER.length) : name
}

/** The same folder for the source and for the built chunks. */
function findFolder(): URL {
  const folder = new URL('../../docs/', import.meta.url)
  if (!existsSync(folder))
    throw new CliError('This installation has no documentation.', EXIT.notFound, { next: 'A running service describes its API at /docs.' })
  return folder
}

function depthOf({ name }: Topic): number {
  return name.split('/').length
}

/** Shared pairs of letters, as a part of all: 1 for equal words. A word of the title counts a little less than one of the name. */
function likeness({ name, title }: Topic, wanted: string): number {
  const words = title.toLowerCase().split(/\W+/)
  return Math.max(
    ...name.split(/[/-]/).map((part) => similarity(part, wanted)),
    similarity(name, wanted),
    ...words.map((word) => similarity(word, wanted) * 0.9),
  )
}

function similarity(one: string, other: string): number {
  const [pairs, others] = [pairsOf(one), pairsOf(other)]
  const shared = [...pairs].filter((pair) => others.has(pair)).length
  return (2 * shared) / (pairs.size + others.size)
}

function pairsOf(word: string): Set<string> {
  const padded = ` ${word} `
  return new Set(Array.from({ length: padded.length - 1 }, (_, at) => padded.slice(at, at + 2)))
}
