import { useEffect, useState } from 'preact/hooks'
import { address } from './address/address.ts'
import { useAnswer } from './calls/use-answer.ts'
import { PAGES_OF_PARTNERS } from './pages-of-partners.tsx'
import { Notice } from './parts/notice.tsx'
import { ShownAnswer } from './parts/shown-answer.tsx'
import { type Session, session } from './session/session.ts'
import { continueSession } from './session/sign-in.ts'
import { SignInPage } from './session/sign-in-page.tsx'
import { Shell } from './shell.tsx'
import type { ShownPage } from './shown-page.ts'

/** The page of the caller who is signed in, or the one to sign in. */
export function App() {
  const [isContinuing, setContinuing] = useState(true)
  useEffect(() => {
    continueSession().finally(() => setContinuing(false))
  }, [])
  const { value: signedIn } = session
  if (isContinuing) return null
  if (signedIn === undefined) return <SignInPage />
  return signedIn.who === 'admin' ? <AdminApp signedIn={signedIn} /> : <SignedIn pages={PAGES_OF_PARTNERS} signedIn={signedIn} />
}

/** Loads the pages of admins, which partners do not need. */
function AdminApp({ signedIn }: { signedIn: Session }) {
  const pages = useAnswer('pages', async () => (await import('./pages-of-admins.tsx')).PAGES_OF_ADMINS)
  return pages.state === 'ready' ? (
    <SignedIn pages={pages.value} signedIn={signedIn} />
  ) : (
    <main>
      <ShownAnswer answer={pages} what="pages">
        {() => null}
      </ShownAnswer>
    </main>
  )
}

interface SignedInProps {
  readonly pages: readonly ShownPage[]
  readonly signedIn: Session
}

function SignedIn({ pages: all, signedIn }: SignedInProps) {
  const pages = all.filter((page) => page.isFor(signedIn))
  return (
    <Shell pages={pages} signedIn={signedIn}>
      <CurrentPage pages={pages} signedIn={signedIn} />
    </Shell>
  )
}

/** The page of the URL. The first of the menu is shown for a URL without a page. */
function CurrentPage({ pages, signedIn }: SignedInProps) {
  const { parts } = address.value
  const [first] = pages
  const page = parts.length === 0 ? first : pages.find(({ path }) => path === parts[0])
  if (page === undefined)
    return (
      <Notice tone="warn">
        <strong>Not found</strong>
        <p>There is no such page for this credential. Choose one from the menu.</p>
      </Notice>
    )
  return <>{page.show(parts.slice(1), signedIn)}</>
}
