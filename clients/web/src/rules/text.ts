/** Texts of requests. */

/** Length of a text in UTF-8, without an encoder: React Native and old workers have none. */
export function byteLength(text: string): number {
  let bytes = text.length;
  for (let n = 0; n < text.length; n++) {
    const code = text.charCodeAt(n);
    // Each half of a surrogate pair counts 2 of the pair's 4 bytes.
    if (code > 0x7f) bytes += code > 0x7ff && (code < 0xd800 || code > 0xdfff) ? 2 : 1;
  }
  return bytes;
}

/** A JSON object; its last field may be JSON already. */
export function toText(fields: object, name?: string, json?: string): string {
  const text = JSON.stringify(fields);
  return name ? `${text.slice(0, -1)},"${name}":${json}}` : text;
}

/**
 * A JSON object with these keys, in this order: object literals would reorder `7` and lose
 * `__proto__`.
 */
export function jsonObject(entries: (readonly [string, unknown])[]): string {
  return `{${entries.map(([key, value]) => `${JSON.stringify(key)}:${JSON.stringify(value ?? null)}`).join()}}`;
}

/** Keys in the order of their bytes, as the Rust client writes them. */
export function sortedKeys(map: ReadonlyMap<string, unknown>): string[] {
  return [...map.keys()].sort();
}
