import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import fc from 'fast-check'
import { signableText, signerFromSeed, verifyText } from '#core/event/sign.ts'
import type { ServerName } from '#core/ids.ts'
import { canonicalJson } from '#core/json/canonical.ts'
import { formatXMatrix, parseXMatrix, requestText, signRequest } from '#core/x-matrix.ts'

const WHOLE = { origin: 'a.example', destination: 'b.example', keyId: 'ed25519:1', signature: 'ABC' }
const REST = 'destination="b.example",key="ed25519:1",sig="ABC"'

describe('the X-Matrix header', () => {
  const accepted: [what: string, header: string, expected?: object][] = [
    ['as the specification writes it', `X-Matrix origin="a.example",${REST}`],
    ['unquoted, colons included', 'X-Matrix origin=a.example,destination=b.example,key=ed25519:1,sig=ABC'],
    ['in any case and order', 'x-mAtRiX SIG="ABC",Key="ed25519:1",DESTINATION="b.example",Origin="a.example"'],
    ['with several spaces after the scheme', `X-Matrix   origin="a.example",${REST}`],
    ['with spaces and tabs around commas', `X-Matrix origin="a.example" \t, \t${REST.replaceAll(',', ' ,\t')}`],
    ['with escapes', `X-Matrix origin="\\a.\\e\\x\\a\\mple",${REST}`],
    ['with unknown parameters', `X-Matrix origin="a.example",foo="b\\"a,r",${REST},x=y`],
    ['with empty list elements', `X-Matrix ,origin="a.example",, ${REST},`],
    ['without a destination', 'X-Matrix origin="a.example",key="ed25519:1",sig="ABC"', { ...WHOLE, destination: null }],
    ['with the signature by its long name', `X-Matrix origin="a.example",${REST.replace('sig=', 'signature=')}`],
    ['with a port', `X-Matrix origin=a.example:8448,${REST}`, { ...WHOLE, origin: 'a.example:8448' }],
    ['with an IPv6 address', `X-Matrix origin="[::1]:80",${REST}`, { ...WHOLE, origin: '[::1]:80' }],
    [
      'with an empty destination',
      `X-Matrix origin=a.example,key=ed25519:1,sig=ABC,destination=""`,
      { ...WHOLE, destination: '' },
    ],
  ]
  for (const [what, header, expected = WHOLE] of accepted) {
    it(`is read ${what}`, () => assert.deepEqual(parseXMatrix(header), expected))
  }

  const refused: [what: string, header: string][] = [
    ['another scheme', `Bearer origin="a.example",${REST}`],
    ['no space after the scheme', `X-Matrixorigin="a.example",${REST}`],
    ['a tab after the scheme', `X-Matrix\torigin="a.example",${REST}`],
    ['nothing', 'X-Matrix '],
    ['no origin', `X-Matrix ${REST}`],
    ['no key', 'X-Matrix origin="a.example",sig="ABC"'],
    ['no signature', 'X-Matrix origin="a.example",key="ed25519:1"'],
    ['an origin twice', `X-Matrix origin="a.example",ORIGIN="c.example",${REST}`],
    ['an origin that is no server name', `X-Matrix origin="a_b",${REST}`],
    ['no comma', `X-Matrix origin="a.example" ${REST}`],
    ['a space before =', `X-Matrix origin ="a.example",${REST}`],
    ['a space after =', `X-Matrix origin= "a.example",${REST}`],
    ['an open quote', `X-Matrix ${REST},origin="a.example`],
    ['a quote in a token', `X-Matrix origin=a.ex"ample,${REST}`],
    ['an empty token', `X-Matrix origin=a.example,foo=,${REST}`],
    ['a brace outside of quotes', `X-Matrix origin=[::1],${REST}`],
    ['a control character', `X-Matrix origin="a.example",foo="\u0001",${REST}`],
    ['a key id of 256 characters', `X-Matrix origin="a.example",sig="A",key="${'k'.repeat(256)}"`],
    ['too many parameters', `X-Matrix ${REST},origin=a.example,${Array.from({ length: 13 }, (_, i) => `p${i}=1`)}`],
  ]
  for (const [what, header] of refused) it(`is refused with ${what}`, () => assert.equal(parseXMatrix(header), null))

  it('is read as it was written', () => {
    const text = fc.string({ unit: fc.constantFrom(...' !"\\,=:/+azAZ09\t'.split('')) })
    fc.assert(
      fc.property(text, text, text, (destination, keyId, signature) => {
        const written = { origin: 'a.example' as ServerName, destination, keyId, signature }
        assert.deepEqual(parseXMatrix(formatXMatrix(written)), written)
      }),
    )
  })

  it('takes no time to refuse what is long', () => {
    for (const filler of ['\\"', ' ,', 'a', '"a"', ', \t']) {
      const began = performance.now()
      parseXMatrix(`X-Matrix origin="${filler.repeat(8000)}`)
      parseXMatrix(`X-Matrix ${filler.repeat(8000)}=`)
      assert.ok(performance.now() - began < 200, filler)
    }
  })
})

describe('the signature of a request', () => {
  const signer = signerFromSeed('a.example', '1', new Uint8Array(32).fill(7))
  const content = { b: [1], a: 'é' }
  const request = { method: 'PUT', uri: '/_matrix/x?a=%2F&b="', destination: 'b.example' }

  it('covers method, target, both servers and the content', () => {
    const header = parseXMatrix(signRequest({ ...request, content: canonicalJson(content) }, signer))
    assert.deepEqual({ ...header, signature: '' }, { ...WHOLE, signature: '' })
    const text = signableText({ content, origin: 'a.example', ...request })
    const signatures = { 'a.example': { 'ed25519:1': header?.signature ?? '' } }
    assert.equal(
      verifyText(text, signatures, 'a.example', () => signer.publicKey),
      'valid',
    )
  })

  it('has no content where there is no body, and null where the body is null', () => {
    const whole = { ...request, origin: 'a.example' }
    assert.equal(requestText({ ...whole, content: null }), signableText(whole))
    assert.equal(requestText({ ...whole, content: 'null' }), signableText({ ...whole, content: null }))
  })
})
