import type { ComponentChildren } from 'preact'
import { useEffect, useRef } from 'preact/hooks'
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
        {children}
      </main>
    </div>
  )
}

function subjectOf(session: Session): string {
  if (session.who === 'partner') return session.partnerId
  if (session.who === 'project') return session.projectId
  return session.role === 'admin' ? 'Admin token' : `Role ${session.role}`
}
