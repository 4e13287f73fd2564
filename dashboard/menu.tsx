import { useEffect, useState } from 'preact/hooks'
import { linkTo } from './address/address.ts'
import type { PageGroup, ShownPage } from './shown-page.ts'

interface MenuProps {
  readonly pages: readonly ShownPage[]
  /** The path of the page that is shown. */
  readonly current: string | undefined
  readonly title: string
}

/** More pages than this would fill a narrow screen: there they are folded behind a button. */
const PAGES_UNFOLDED_MAX = 4

/** The pages, by group. */
export function Menu({ pages, current, title }: MenuProps) {
  const [isOpen, setOpen] = useState(false)
  const isFoldable = pages.length > PAGES_UNFOLDED_MAX
  // A reader who has opened another page wants to see it, not the menu.
  useEffect(() => setOpen(false), [current])
  const groups = groupsOf(pages)
  return (
    <nav class={isFoldable && !isOpen ? 'menu is-folded' : 'menu'} aria-label="Pages">
      {isFoldable ? (
        <button type="button" class="fold" aria-expanded={isOpen} aria-controls="menu-pages" onClick={() => setOpen(!isOpen)}>
          Menu: {title}
        </button>
      ) : null}
      <div id="menu-pages">
        {groups.map(([group, members]) => (
          <div key={group ?? ''}>
            {group === undefined ? null : (
              <p class="group" id={`menu-${group}`}>
                {group}
              </p>
            )}
            <ul aria-labelledby={group === undefined ? undefined : `menu-${group}`}>
              {members.map((page) => (
                <li key={page.path}>
                  <a href={linkTo([page.path])} aria-current={page.path === current ? 'page' : undefined} onClick={() => setOpen(false)}>
                    {page.title}
                  </a>
                </li>
              ))}
            </ul>
          </div>
        ))}
      </div>
    </nav>
  )
}

/** Those without a group first, then the groups in the order of their first pages. */
function groupsOf(pages: readonly ShownPage[]): [PageGroup | undefined, ShownPage[]][] {
  const groups = new Map<PageGroup | undefined, ShownPage[]>()
  for (const page of [...pages.filter(({ group }) => group === undefined), ...pages.filter(({ group }) => group !== undefined)])
    groups.set(page.group, [...(groups.get(page.group) ?? []), page])
  return [...groups]
}
