/** `GET /_matrix/client/versions`: which versions of the specification clients can count on. */
import { endpoint } from '#kit/endpoint.ts'

/**
 * Only what is true: clients take a version as a promise of its features. v1.3 promises the relations API, v1.4 thread
 * lists, v1.11 media for logged-in users, v1.16 all of those.
 */
const VERSIONS = ['r0.6.1', 'v1.1', 'v1.2']

/** Parts of later versions that are there already, by the names under which clients ask for them. */
const FEATURES = {
  // v1.1: cross-signing
  'org.matrix.e2e_cross_signing': true,
  // v1.4: private read receipts
  'org.matrix.msc2285.stable': true,
  // v1.7: mentions as the sender meant them
  'org.matrix.msc3952_intentional_mentions': true,
  // Meeting places of devices, for signing in by QR code
  'org.matrix.msc4108': true,
  'io.element.msc4388': true,
  // Dehydrated devices
  'org.matrix.msc3814': true,
  // v1.16: profile fields besides name and avatar
  'uk.tcpip.msc4133': true,
  'uk.tcpip.msc4133.stable': true,
}

export default endpoint({
  spec: 'getVersions',
  method: 'GET',
  path: '/_matrix/client/versions',
  auth: 'optional',
  rateLimit: false,
  handle: () => ({ versions: VERSIONS, unstable_features: FEATURES }),
})
