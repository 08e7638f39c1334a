import type { UserId } from '#core/ids.ts'
import { type Answer, html } from '#kit/answer.ts'
import { escapeHtml, page } from '../../shared/page.ts'

export type Field = 'keep' | 'name' | 'password' | 'again'

/** What was typed, to be shown again when it was refused; never the passwords. */
export type Typed = {
  readonly name: string
  readonly keep: boolean
  /** What is wrong, and in which field: that one gets the focus. */
  readonly problem: { readonly field: Field; readonly text: string } | null
}

/** Shows the user id while the name is typed. The page works without it. */
const PREVIEW = `
  const name = document.getElementById('name'), id = document.getElementById('user-id')
  const show = () => {
    id.textContent = id.dataset.example.replace('NAME', name.value.trim().toLowerCase() || 'name')
    document.getElementById('shown').value = name.value.trim().toLowerCase()
  }
  name.addEventListener('input', show)
  show()`

/** The form that creates the first administrator. Works without scripts; posts to its own address. */
export function formPage(serverName: string, nonce: string, { name, keep, problem }: Typed): Answer {
  const focused = problem?.field ?? (name === '' ? 'keep' : 'name')
  const field = (of: Field) => {
    const focus = focused === of ? ' autofocus' : ''
    if (problem?.field === of) return `${focus} aria-invalid="true" aria-describedby="problem"`
    return of === 'again' ? focus : `${focus} aria-describedby="${of}-hint"`
  }
  const complaint =
    problem === null ? '' : `<p class="problem" id="problem" role="alert">${escapeHtml(problem.text)}</p>`
  const body = `
    <h1>Welcome to Hearth</h1>
    <p>The server is running. Two things are left: its name, and the account of its administrator.</p>
    ${complaint}
    <form method="post">
      <h2>The server's name: ${escapeHtml(serverName)}</h2>
      <p id="keep-hint">It ends every user name, as in <code>@you:${escapeHtml(serverName)}</code>, and can
        <strong>never be changed</strong> once there is an account. To choose another name, stop the server, set
        <code>server_name</code> in its configuration, and start it again.</p>
      ${localNote(serverName)}
      <label class="choice"><input type="checkbox" name="keep" value="yes" required${keep ? ' checked' : ''}${field('keep')}>
        Keep the name ${escapeHtml(serverName)} for good</label>
      <h2>The administrator</h2>
      <input type="hidden" id="shown" name="shown" value="${escapeHtml(problem === null ? '' : name)}">
      <label for="name">User name</label>
      <input id="name" name="name" value="${escapeHtml(name)}" required autocapitalize="none"
        autocomplete="username" spellcheck="false"${field('name')}>
      <p class="hint" id="name-hint">Lower-case letters, digits, and . _ = - / +<br>Your full name will be
        <code id="user-id" data-example="@NAME:${escapeHtml(serverName)}">@name:${escapeHtml(serverName)}</code></p>
      <label for="password">Password</label>
      <input id="password" name="password" type="password" required autocomplete="new-password"${field('password')}>
      <p class="hint" id="password-hint">At least 10 characters. A few words that don't belong together are good.</p>
      <label for="again">Repeat the password</label>
      <input id="again" name="again" type="password" required autocomplete="new-password"${field('again')}>
      <button type="submit">Create the account</button>
    </form>
    <script nonce="${nonce}">${PREVIEW}
    </script>`
  return html(page('Welcome to Hearth', body), { status: problem === null ? 200 : 400, scriptNonce: nonce })
}

/** What to do next. */
export function donePage(userId: UserId, homeserver: string): Answer {
  const body = `
    <h1>The server is yours</h1>
    <p>The account is created, and this page won't work again. To sign in, for example with Element:</p>
    <ol>
      <li>Choose <em>Sign in</em>, then <em>Edit</em> beside the homeserver.</li>
      <li>Enter the homeserver <code id="homeserver">${escapeHtml(homeserver)}</code></li>
      <li>Sign in as <code id="user-id">${escapeHtml(userId)}</code> with the password that you chose.</li>
    </ol>
    ${reachNote(homeserver)}
    <p>To create more accounts: <code>npm run hearth -- user add NAME</code></p>`
  return html(page('The server is yours', body))
}

/** For an address that is not, or no longer, good. @param isOver there is an administrator */
export function gonePage(isOver: boolean, homeserver: string): Answer {
  const next = isOver
    ? `<p>It worked once: the server has its administrator. Sign in with a Matrix app, with the homeserver
        <code>${escapeHtml(homeserver)}</code></p>
      <p>If that wasn't you, or the password is lost, create another administrator on the server:
        <code>npm run hearth -- user add NAME --admin</code></p>`
    : `<p>Each start of the server prints a new address, and only the newest one works. Look for
        <em>Create one here, once</em> in the last lines that the server printed, and copy the whole address.</p>`
  return html(page('Not valid', `\n    <h1>This address is not valid</h1>\n    ${next}`), { status: 403 })
}

/** A name that means "this machine" on every machine. */
function localNote(serverName: string): string {
  if (!isLocalName(serverName)) return ''
  return `<p class="note">With the name ${escapeHtml(serverName)} you can try Hearth out on this machine. Other servers
        can't reach it. For use with other people, choose a name that you own, such as <code>example.org</code>.</p>`
}

function reachNote(homeserver: string): string {
  if (!isLocalName(new URL(homeserver).host)) return ''
  return `<p class="note">This address works on this machine only: a phone, or another computer, can't reach it. For
      them, set <code>server_name</code>, <code>public_baseurl</code> and <code>listeners</code> in the configuration
      (<code>npm run -s hearth -- config example</code> explains each).</p>`
}

function isLocalName(host: string): boolean {
  return /^(localhost|.*\.localhost|127\.[\d.]+|\[::1\])(:\d+)?$/.test(host)
}
