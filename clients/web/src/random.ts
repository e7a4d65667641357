/** 128 random bits, as 32 hexadecimal digits. */
export function newId(): string {
  const bytes = new Uint8Array(16);
  const random = typeof crypto === "object" ? crypto.getRandomValues(bytes) : bytes.map(() => Math.random() * 256);
  return Array.from(random, (byte) => (byte + 256).toString(16).slice(1)).join("");
}
