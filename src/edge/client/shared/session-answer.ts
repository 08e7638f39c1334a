import type { SessionTokens } from '#services/accounts/sessions.ts'

/** Tokens as login, registration and refresh answer with them. */
export function tokensAnswer({ accessToken, refreshToken, expiresInMs }: SessionTokens): object {
  return {
    access_token: accessToken,
    ...(refreshToken !== null && { refresh_token: refreshToken }),
    ...(expiresInMs !== null && { expires_in_ms: expiresInMs }),
  }
}
