/** How Hearth's own pages look: plain HTML that needs no scripts, and no file besides. */
export const ICON =
  '<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 16 16"><rect width="16" height="16" rx="3" fill="#7a2e1d"/><path d="M8 2c.6 2.4 3.6 4 3.6 7.2a3.6 3.6 0 0 1-7.2 0C4.4 7.4 5.4 6.5 5.8 5.3c.8.5 1.1 1.1 1.2 1.8C7.900 5.900 8.200 4.200 8 2z" fill="#ffb347"/></svg>'

const STYLE = `
  :root { color-scheme: light dark; font: 1rem/1.5 system-ui, sans-serif }
  body { margin: 0 auto; padding: 3rem 1.25rem; max-width: 34rem }
  h1 { font-size: 1.6rem; line-height: 1.2 }
  label { display: block; margin-top: 1rem; font-weight: 600 }
  label.choice { display: flex; gap: .6rem; align-items: baseline; font-weight: normal }
  input, button { box-sizing: border-box; width: 100%; padding: .6rem; font: inherit }
  input[type=checkbox] { width: auto }
  input[aria-invalid] { outline: .15rem solid #c33 }
  button { margin-top: 1.5rem; font-weight: 600; cursor: pointer }
  .hint { margin: .25rem 0 0; font-size: .875rem; opacity: .8 }
  .note { padding: .1rem .9rem; border-left: .25rem solid #c80 }
  .problem { padding: .6rem .9rem; border-left: .25rem solid #c33 }
  code { overflow-wrap: anywhere }`

/** A whole page. `body` is HTML; what comes from elsewhere goes through `escapeHtml` first. */
export function page(title: string, body: string): string {
  return `<!doctype html>
<html lang="en">
  <head>
    <meta charset="utf-8">
    <meta name="viewport" content="width=device-width, initial-scale=1">
    <title>${escapeHtml(title)}</title>
    <link rel="icon" href="data:image/svg+xml,${encodeURIComponent(ICON)}">
    <style>${STYLE}</style>
  </head>
  <body>
    <main>${body}
    </main>
  </body>
</html>
`
}

const ENTITIES: ReadonlyMap<string, string> = new Map([
  ['&', '&amp;'],
  ['<', '&lt;'],
  ['>', '&gt;'],
  ['"', '&quot;'],
  ["'", '&#39;'],
])

export function escapeHtml(text: string): string {
  return text.replaceAll(/[&<>"']/g, (character) => ENTITIES.get(character) ?? character)
}
