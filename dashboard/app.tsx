import { useEffect, useState } from 'preact/hooks'
import { address } from './address/address.ts'
import { SHOWN_PAGES, type ShownPage } from './pages.tsx'
import { Notice } from './parts/notice.tsx'
import { type Session, session } from './session/session.ts'
import { continueSession } from './session/sign-in.ts'
import { SignInPage } from './session/sign-in-page.tsx'
import { Shell } from './shell.tsx'

/** The page for whoever is signed in, or the one to sign in. */
export function App() {
  const [isContinuing, setContinuing] = useState(true)
  useEffect(() => {
    continueSession()
      .catch(() => {})
      .finally(() => setContinuing(false))
  }, [])
  const { value: signedIn } = session
  if (isContinuing) return null
  if (signedIn === undefined) return <SignInPage />
  const pages = SHOWN_PAGES.filter((page) => page.isFor(signedIn))
  return (
    <Shell pages={pages} signedIn={signedIn}>
      <CurrentPage pages={pages} signedIn={signedIn} />
    </Shell>
  )
}

/** The page of the URL. The first of the menu is shown for a URL without a page. */
function CurrentPage({ pages, signedIn }: { pages: readonly ShownPage[]; signedIn: Session }) {
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
