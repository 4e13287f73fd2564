export interface Panel {
  readonly title: string
  readonly bars: readonly { readonly label: string; readonly ms: number; readonly wrong: boolean }[]
}

const WIDTH = 760
const LABELS = 210
const VALUES = 130
const ROW = 22
const HEAD = 34
const GAP = 12
const LEAST_MS = 1

/** Bars of milliseconds on a logarithmic scale, as SVG: readable on light and on dark pages. */
export function peersPicture(panels: readonly Panel[]): string {
  const longest = Math.max(10, ...panels.flatMap(({ bars }) => bars.map(({ ms }) => ms)))
  const lengthOf = (ms: number) => Math.max(2, (Math.log10(Math.max(ms, LEAST_MS)) / Math.log10(longest)) * (WIDTH - LABELS - VALUES))
  let top = GAP
  const parts = panels.map(({ title, bars }) => {
    const head = `<text class="title" x="8" y="${top + 16}">${escapeText(title)}</text>`
    top += HEAD
    const rows = bars.map(({ label, ms, wrong }, index) => {
      const [y, length] = [top + index * ROW, lengthOf(ms)]
      const kind = wrong ? 'wrong' : index === 0 ? 'ours' : 'other'
      const value = `${ms < 100 ? ms.toPrecision(2) : Math.round(ms).toLocaleString('en-US')} ms${wrong ? ', wrong' : ''}`
      return [
        `<text x="${LABELS - 8}" y="${y + 14}" text-anchor="end">${escapeText(label)}</text>`,
        `<rect class="${kind}" x="${LABELS}" y="${y + 2}" width="${length.toFixed(1)}" height="${ROW - 6}" rx="2"/>`,
        `<text x="${(LABELS + length + 6).toFixed(1)}" y="${y + 14}">${value}</text>`,
      ].join('')
    })
    top += bars.length * ROW + GAP
    return [head, ...rows].join('\n')
  })
  return `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${WIDTH} ${top + 20}" width="${WIDTH}" height="${top + 20}" role="img" aria-label="Milliseconds of three questions for each way to store events">
<style>${STYLE}</style>
${parts.join('\n')}
<text class="note" x="8" y="${top + 8}">Milliseconds on a logarithmic scale; shorter is better. Outlined: the answer is wrong.</text>
</svg>
`
}

const STYLE = `text{font:13px system-ui,sans-serif;fill:#1f2933}.title{font-weight:600}.note{font-size:12px;fill:#52606d}
.ours{fill:#0a7d55}.other{fill:#7b8794}.wrong{fill:#c2410c;fill-opacity:.15;stroke:#c2410c;stroke-dasharray:4 3}
@media (prefers-color-scheme:dark){text{fill:#e4e7eb}.note{fill:#9aa5b1}.ours{fill:#34d399}.other{fill:#9aa5b1}.wrong{fill:#fb923c;stroke:#fb923c}}`

function escapeText(text: string): string {
  return text.replaceAll('&', '&amp;').replaceAll('<', '&lt;')
}
