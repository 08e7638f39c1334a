/** On every answer, errors included (specification, "Web Browser Clients"). */
export const CORS_HEADERS: Readonly<Record<string, string>> = Object.freeze({
  'access-control-allow-origin': '*',
  'access-control-allow-methods': 'GET, POST, PUT, DELETE, OPTIONS',
  // What may be asked doesn't change: without this, browsers ask before every request. Two hours is all that some keep.
  'access-control-max-age': '86400',
  'access-control-allow-headers': 'X-Requested-With, Content-Type, Authorization, If-Match, If-None-Match',
})
