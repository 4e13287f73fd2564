import type { ComponentChildren } from 'preact'

export type Tone = 'plain' | 'good' | 'warn' | 'bad'

export function Notice({ tone = 'plain', children }: { tone?: Tone; children: ComponentChildren }) {
  return <div class={`notice ${tone}`}>{children}</div>
}

export function Badge({ tone = 'plain', title, children }: { tone?: Tone; title?: string; children: ComponentChildren }) {
  return (
    <span class={`badge ${tone}`} title={title}>
      {children}
    </span>
  )
}
