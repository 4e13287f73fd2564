import type { ComponentChildren } from 'preact'
import { useEffect, useErrorBoundary, useRef } from 'preact/hooks'
import { address, linkTo } from './address/address.ts'
import { Menu } from './menu.tsx'
import { endSession, type Session } from './session/session.ts'
import type { ShownPage } from './shown-page.ts'

interface ShellProps {
  readonly pages: readonly ShownPage[]
  readonly signedIn: Session
  readonly children: ComponentChildren
}

/** What surrounds every page: the menu, who is signed in, and signing out. */
export function Shell({ pages, signedIn, children }: ShellProps) {
  const { parts } = address.value
  const current = parts[0] ?? pages[0]?.path
  const title = pages.find(({ path }) => path === current)?.title ?? 'Meterline'
  const content = useRef<HTMLElement>(null)
  useEffect(() => {
    document.title = `${title} · Meterline`
  }, [title])
  const place = parts.join('/')
  const seenPlace = useRef(place)
  // A link inside a page is gone with it, and the focus with the link.
  useEffect(() => {
    if (seenPlace.current === place) return
    seenPlace.current = place
    scrollTo(0, 0)
    if (document.activeElement === document.body) content.current?.focus()
  }, [place])
  return (
    <div class="shell">
      {/* No link: the part of the URL after # is the address of the page. */}
      <button type="button" class="skip" onClick={() => content.current?.focus()}>
        Skip to the content
      </button>
      <header class="bar">
        <a class="name" href={linkTo([])}>
          Meterline
        </a>
        <Menu pages={pages} current={current} title={title} />
        <div class="who">
          <span title={subjectOf(signedIn)}>{subjectOf(signedIn)}</span>
          <button type="button" class="quiet" onClick={() => endSession()}>
            Sign out
          </button>
        </div>
      </header>
      <main id="content" ref={content} tabIndex={-1}>
        <Guarded key={place}>{children}</Guarded>
      </main>
    </div>
  )
}

/** A fault of one page leaves the menu and the others as they are. It is reported to the console of the browser. */
function Guarded({ children }: { children: ComponentChildren }) {
  const [fault, retry] = useErrorBoundary((error: unknown) => reportError(error))
  if (fault === undefined) return <>{children}</>
  return (
    <div class="notice bad" role="alert">
      <strong>This page has a fault</strong>
      <p>It shows nothing, because what it would show may be wrong. Try again; if it stays, report what the console of the browser says.</p>
      <button type="button" onClick={retry}>
        Try again
      </button>
    </div>
  )
}

function subjectOf(session: Session): string {
  if (session.who === 'partner') return session.partnerId
  if (session.who === 'project') return session.projectId
  return session.role === 'admin' ? 'Admin token' : `Role ${session.role}`
}
