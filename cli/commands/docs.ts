import { posix } from 'node:path'
import { paintWith, usesColours } from '../colours.ts'
import { type CommandRegistration, withExamples } from '../command.ts'
import { renderMarkdown } from '../documentation/render-markdown.ts'
import { readTopics, requireTopic, type Topic, topicOf } from '../documentation/topics.ts'
import { printResult } from '../output.ts'
import type { Session } from '../session.ts'

export const docsCommand: CommandRegistration = (program, run) => {
  withExamples(
    program
      .command('docs [topic]')
      .description('read the documentation in the terminal; without a topic: list the topics')
      .action((topic: string | undefined) => run(async (session) => (topic === undefined ? listTopics(session) : showTopic(session, topic)))),
    ['meterline docs', 'the topics'],
    ['meterline docs billing', 'one of them'],
    ['meterline docs operating/kafka | less -R', 'a page of a folder'],
    ['meterline docs partners --json', 'its Markdown, for an agent'],
  )
}

const COLUMNS_MAX = 100
const COLUMNS_MIN = 60

function listTopics(session: Session): void {
  const topics = readTopics().map(({ name, title }) => ({ topic: name, title }))
  const width = Math.max(...topics.map(({ topic }) => topic.length))
  printResult(session, { topics }, () => [...topics.map(({ topic, title }) => `${topic.padEnd(width)}  ${title}`), '', 'Read one: meterline docs <topic>'])
}

function showTopic(session: Session, given: string): void {
  const topics = readTopics()
  const { name, title, markdown } = requireTopic(topics, given)
  const columns = Math.max(COLUMNS_MIN, Math.min(process.stdout.columns ?? COLUMNS_MAX, COLUMNS_MAX))
  const paint = paintWith(usesColours(session.environment, process.stdout))
  printResult(session, { topic: name, title, markdown }, () => [
    renderMarkdown(markdown, { columns, paint, describeLink: (target) => describeLink(topics, name, target) }),
  ])
}

/** A link to another page becomes the command that shows it; one within the page needs none. */
function describeLink(topics: readonly Topic[], from: string, target: string): string | undefined {
  if (/^https?:/.test(target)) return target
  const [file = ''] = target.split('#')
  if (!file.endsWith('.md')) return undefined
  const isFolder = topics.some(({ name }) => name.startsWith(`${from}/`))
  const topic = topicOf(posix.normalize(posix.join(isFolder ? from : posix.dirname(from), file)))
  return topics.some(({ name }) => name === topic) ? `meterline docs ${topic}` : undefined
}
