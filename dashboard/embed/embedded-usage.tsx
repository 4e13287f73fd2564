import { useEffect, useState } from 'preact/hooks'
import { address, forgetParameter, linkTo } from '../address/address.ts'
import { periodParameters } from '../address/period.ts'
import { Notice } from '../parts/notice.tsx'
import { ProjectPage } from '../projects/project-page.tsx'
import { ProjectsPage } from '../projects/projects-page.tsx'
import { beginSession, type PartnerSession, type ProjectSession, session, sessionNotice } from '../session/session.ts'
import { sessionOfToken } from '../session/session-of-token.ts'
import { UsagePage } from '../usage/usage-page.tsx'
import { askForNextToken, type HostMessage, listenToHost, tokenOfAddress } from './host-messages.ts'

/**
 * The usage of one project or one partner inside a page of somebody else. The page that embeds it sends a short-lived token; what
 * that token may read is decided by the API.
 */
export function EmbeddedUsage() {
  const [problem, setProblem] = useState('')
  useEffect(() => {
    const use = (message: HostMessage) => {
      if (message.type === 'meterline:theme') return applyTheme(message.properties)
      const begun = sessionOfToken(message.token)
      // An admin token would show everything to every reader of the page that embeds this one.
      if (begun.who === 'admin') return setProblem('This view takes a code of a project or a token of a partner, no other credential.')
      setProblem('')
      beginSession(begun)
    }
    const token = tokenOfAddress()
    if (token !== undefined) {
      forgetParameter('token')
      use({ type: 'meterline:token', token })
    }
    return listenToHost(use)
  }, [])
  const { value: signedIn } = session
  useEffect(() => (signedIn?.lifetimeSeconds === undefined ? undefined : askForNextToken(signedIn.lifetimeSeconds)), [signedIn])
  if (problem !== '') return <Notice tone="bad">{problem}</Notice>
  if (signedIn === undefined || signedIn.who === 'admin') return <Waiting />
  return (
    <main class="embedded">
      <CurrentView signedIn={signedIn} />
    </main>
  )
}

/** For the first token, or for the next one. */
function Waiting() {
  if (sessionNotice.value === '') return <Notice>Waiting for a token from the page around this view.</Notice>
  return <Notice tone="warn">The token is not valid, or not any more. Waiting for another one from the page around this view.</Notice>
}

/** The project of a code; or the usage of a partner, from which its links lead to its projects and back. */
function CurrentView({ signedIn }: { signedIn: PartnerSession | ProjectSession }) {
  const subject = { partnerId: signedIn.partnerId, asAdmin: false }
  if (signedIn.who === 'project') return <ProjectPage subject={subject} projectId={signedIn.projectId} />
  const { parts, parameters } = address.value
  const [section, projectId] = parts
  if (section !== 'projects') return <UsagePage subject={subject} />
  return (
    <>
      <p class="links">
        <a href={linkTo(['usage'], periodParameters(parameters))}>Usage of all projects</a>
      </p>
      {projectId === undefined ? <ProjectsPage subject={subject} /> : <ProjectPage subject={subject} projectId={projectId} />}
    </>
  )
}

/** The custom properties of styles/base.css that a host may set, and what a value may consist of: nothing that loads a file. */
const THEME_PROPERTIES = /^--(?:ink|soft|faint|page|panel|line|accent|ghost|peak|font|radius)$/
const THEME_VALUE = /^(?!.*(?:url|image))[-#\w\s.,%()"']{1,100}$/i

function applyTheme(properties: Readonly<Record<string, string>>): void {
  for (const [name, value] of Object.entries(properties)) {
    if (THEME_PROPERTIES.test(name) && THEME_VALUE.test(value)) document.documentElement.style.setProperty(name, value)
  }
}
