/** `GET /`: says what answers here, to somebody who opened the address in a browser. */
import { html } from '#kit/answer.ts'
import { endpoint } from '#kit/endpoint.ts'
import { escapeHtml, page } from '../shared/page.ts'

export default endpoint({
  spec: null,
  method: 'GET',
  path: '/',
  auth: 'none',
  rateLimit: 'other',
  handle: (_input, { config }) =>
    html(
      page(
        config.server_name,
        `
    <h1>${escapeHtml(config.server_name)}</h1>
    <p>A <a href="https://matrix.org">Matrix</a> homeserver runs here. It has no pages to look at: people use it with an
      app, such as <a href="https://element.io">Element</a>, <a href="https://cinny.in">Cinny</a> or
      <a href="https://fluffychat.im">FluffyChat</a>.</p>
    <p>To sign in, enter this homeserver in your app: <code id="homeserver">${escapeHtml(config.public_baseurl)}</code></p>`,
      ),
    ),
})
