import assert from 'node:assert/strict'
import { test } from 'node:test'
import {
  constantTimeEqual,
  decodeBase64,
  decodeBase64Url,
  ed25519FromSeed,
  ed25519Verify,
  encodeBase64,
  encodeBase64Url,
  sha256Base64,
} from '#core/crypto.ts'

test('the examples of the specification (appendices, "Unpadded Base64")', () => {
  const examples = { '': '', f: 'Zg', fo: 'Zm8', foo: 'Zm9v', foob: 'Zm9vYg', fooba: 'Zm9vYmE', foobar: 'Zm9vYmFy' }
  for (const [plain, encoded] of Object.entries(examples)) {
    assert.equal(encodeBase64(Buffer.from(plain)), encoded)
    assert.equal(Buffer.from(decodeBase64(encoded) ?? 'null').toString(), plain)
  }
})

test('J15: base64 is read strictly', () => {
  for (const text of [
    'YR',
    'Zm9',
    'Zm9v ',
    ' Zm9v',
    'Zm9v\n',
    'Z',
    'Zm-_',
    'Zg=',
    'Zg===',
    'Zm9v=',
    '=',
    'Zm9vé',
    '\0',
  ]) {
    assert.equal(decodeBase64(text), null, JSON.stringify(text))
  }
  for (const text of ['YR', 'Zg==', 'Zm+/', 'Z', 'Zm 9']) assert.equal(decodeBase64Url(text), null, text)
})

test('base64 is read with or without padding', () => {
  assert.deepEqual(decodeBase64('Zg=='), decodeBase64('Zg'))
  assert.deepEqual(decodeBase64('Zm8='), decodeBase64('Zm8'))
})

test('the URL-safe alphabet has - and _', () => {
  const bytes = Buffer.from([0xfb, 0xff, 0xbf])
  assert.equal(encodeBase64(bytes), '+/+/')
  assert.equal(encodeBase64Url(bytes), '-_-_')
  assert.deepEqual(decodeBase64Url('-_-_'), decodeBase64('+/+/'))
})

test('the examples of the specification for SHA-256 (identity service API, "m.sha256" lookups)', () => {
  assert.equal(
    Buffer.from(sha256Base64('alice@example.com email matrixrocks')).toString(),
    '4kenr7N9drpCJ4AfalmlGQVsOn3o2RHjkADUpXJWZUc',
  )
})

// RFC 8032, section 7.1, tests 1 and 2.
const RFC_8032 = [
  {
    seed: '9d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60',
    publicKey: 'd75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a',
    message: '',
    signature:
      'e5564300c360ac729086e2cc806e828a84877f1eb8e5d974d873e065224901555fb8821590a33bacc61e39701cf9b46bd25bf5f0595bbe24655141438e7a100b',
  },
  {
    seed: '4ccd089b28ff96da9db6c346ec114e0f5b8a319f35aba624da8cf6ed4fb8a6fb',
    publicKey: '3d4017c3e843895a92b70aa74d1b7ebc9c982ccf2ec4968cc0cd55f12af4660c',
    message: '72',
    signature:
      '92a009a9f0d4cab8720e820b5f642540a2b27b5416503f8fb3762223ebdb69da085ac1e43e15996e458f3613d0f11d8c387b2eaeb4302aeeb00d291612bb0c00',
  },
]

test('Ed25519 keys are made from seeds, sign and verify', () => {
  for (const { seed, publicKey, message, signature } of RFC_8032) {
    const key = ed25519FromSeed(Buffer.from(seed, 'hex'))
    const data = Buffer.from(message, 'hex')
    assert.equal(Buffer.from(key.publicKey).toString('hex'), publicKey)
    assert.equal(Buffer.from(key.sign(data)).toString('hex'), signature)
    assert.equal(ed25519Verify(data, Buffer.from(signature, 'hex'), key.publicKey), true)
    assert.equal(ed25519Verify(`${data}x`, Buffer.from(signature, 'hex'), key.publicKey), false)
  }
})

test('W11: keys and signatures of a wrong length verify nothing', () => {
  const key = ed25519FromSeed(Buffer.alloc(32, 1))
  const signature = key.sign('text')
  assert.equal(ed25519Verify('text', signature, key.publicKey), true)
  assert.equal(ed25519Verify('text', signature.subarray(0, 63), key.publicKey), false)
  assert.equal(ed25519Verify('text', Buffer.concat([signature, Buffer.alloc(1)]), key.publicKey), false)
  assert.equal(ed25519Verify('text', signature, key.publicKey.subarray(0, 31)), false)
  assert.equal(ed25519Verify('text', signature, Buffer.alloc(32, 0xff)), false)
  assert.throws(() => ed25519FromSeed(Buffer.alloc(31)), RangeError)
})

test('W6: secrets are compared whatever their lengths', () => {
  assert.equal(constantTimeEqual('secret', Buffer.from('secret')), true)
  assert.equal(constantTimeEqual('secret', 'secret2'), false)
  assert.equal(constantTimeEqual('', 'x'), false)
})
