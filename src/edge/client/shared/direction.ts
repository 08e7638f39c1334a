/** The `dir` parameter in words. */
export function directionOf(dir: 'b' | 'f'): 'backwards' | 'forwards' {
  return dir === 'b' ? 'backwards' : 'forwards'
}
