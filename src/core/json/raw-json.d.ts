// JSON.rawJSON (ECMAScript "JSON.parse source text access"): in Node since 22, not yet in TypeScript's library.
interface JSON {
  rawJSON(text: string): { readonly rawJSON: string }
  isRawJSON(value: unknown): value is { readonly rawJSON: string }
  parse(text: string, reviver: (key: string, value: unknown, context: { source?: string }) => unknown): unknown
}
