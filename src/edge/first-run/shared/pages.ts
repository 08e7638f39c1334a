import type { UserId } from '#core/ids.ts'
import { type Answer, html } from '#kit/answer.ts'

/** What was typed, to be shown again when it was refused; never the passwords. */
export type Typed = { readonly name: string; readonly problem: string | null }

/** The form that makes the first administrator. Works without scripts; posts to its own address. */
export function formPage(serverName: string, { name, problem }: Typed): Answer {
  const complaint = problem === null ? '' : `<p class="problem" role="alert">${escapeHtml(problem)}</p>`
  const body = `
    <h1>Welcome to Hearth</h1>
    <p>The server <strong>${escapeHtml(serverName)}</strong> runs. Make the account of its administrator.</p>
    ${complaint}
    <form method="post">
      <label for="name">User name</label>
      <input id="name" name="name" value="${escapeHtml(name)}" required autofocus autocapitalize="none"
        autocomplete="username" spellcheck="false" aria-describedby="name-hint">
      <p class="hint" id="name-hint">Small letters, digits and . _ = - / +</p>
      <label for="password">Password</label>
      <input id="password" name="password" type="password" required autocomplete="new-password">
      <label for="again">Password once more</label>
      <input id="again" name="again" type="password" required autocomplete="new-password">
      <button type="submit">Make the account</button>
    </form>`
  return html(page('Welcome to Hearth', body), { status: problem === null ? 200 : 400 })
}

/** What to do next. */
export function donePage(userId: UserId, homeserver: string): Answer {
  const body = `
    <h1>The server is yours</h1>
    <p>The account is made. This page won't work again. To log in with Element, on the web or on a phone:</p>
    <ol>
      <li>Choose <em>Sign in</em>, and <em>Edit</em> beside the homeserver.</li>
      <li>Enter the homeserver <code id="homeserver">${escapeHtml(homeserver)}</code></li>
      <li>Sign in as <code id="user-id">${escapeHtml(userId)}</code> with the password that you chose.</li>
    </ol>
    <p>More accounts: <code>npm run hearth -- user add NAME</code></p>`
  return html(page('The server is yours', body))
}

/** For an address that is not, or no longer, good. */
export function gonePage(): Answer {
  const body = `
    <h1>This address is not valid</h1>
    <p>It works only until the first administrator exists, and each start of the server prints a new one.</p>`
  return html(page('Not valid', body), { status: 403 })
}

const STYLE = `
  :root { color-scheme: light dark; font: 1rem/1.5 system-ui, sans-serif }
  body { margin: 0 auto; padding: 3rem 1.25rem; max-width: 30rem }
  h1 { font-size: 1.6rem; line-height: 1.2 }
  label { display: block; margin-top: 1rem; font-weight: 600 }
  input, button { box-sizing: border-box; width: 100%; padding: .6rem; font: inherit }
  button { margin-top: 1.5rem; font-weight: 600; cursor: pointer }
  .hint { margin: .25rem 0 0; font-size: .875rem; opacity: .8 }
  .problem { padding: .6rem; border-left: .25rem solid #c33 }
  code { overflow-wrap: anywhere }`

function page(title: string, body: string): string {
  return `<!doctype html>
<html lang="en">
  <head>
    <meta charset="utf-8">
    <meta name="viewport" content="width=device-width, initial-scale=1">
    <title>${escapeHtml(title)}</title>
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

function escapeHtml(text: string): string {
  return text.replaceAll(/[&<>"']/g, (character) => ENTITIES.get(character) ?? character)
}
