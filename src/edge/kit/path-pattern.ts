/** Paths of endpoints, `/rooms/{roomId}/leave`, in the forms that the router and the "wrong method" check need. */

/** For Fastify: `/rooms/:roomId/leave`. */
export function routerPath(path: string): string {
  return path.replaceAll(':', '::').replaceAll(/\{(\w+)\}/g, ':$1')
}

/** Recognises a path, still percent-encoded, whatever the method. */
export function pathPattern(path: string): RegExp {
  const parts = path.split(/\{\w+\}/).map((part) => part.replaceAll(/[.*+?^${}()|[\]\\]/g, '\\$&'))
  return new RegExp(`^${parts.join('[^/]*')}$`)
}
