/**
 * The ways a secret may be spelled in output. Everything is a string of bytes (latin1), as the matcher reads.
 * Base64 is looked for by the characters that do not depend on what stands before and after it.
 */
export const ENCODINGS: readonly { name: string; encode: (secret: Buffer) => string }[] = [
  { name: "raw", encode: (secret) => secret.toString("latin1") },
  { name: "base64, first of three", encode: (secret) => core64(secret, 0, "base64") },
  { name: "base64, second of three", encode: (secret) => core64(secret, 1, "base64") },
  { name: "base64, third of three", encode: (secret) => core64(secret, 2, "base64") },
  { name: "base64url, first of three", encode: (secret) => core64(secret, 0, "base64url") },
  { name: "base64url, second of three", encode: (secret) => core64(secret, 1, "base64url") },
  { name: "base64url, third of three", encode: (secret) => core64(secret, 2, "base64url") },
  { name: "base64 with padding", encode: (secret) => secret.toString("base64") },
  {
    name: "base64url with padding",
    encode: (secret) => secret.toString("base64").replaceAll("+", "-").replaceAll("/", "_"),
  },
  { name: "hex", encode: (secret) => secret.toString("hex") },
  { name: "HEX", encode: (secret) => secret.toString("hex").toUpperCase() },
  { name: "percent, reserved characters", encode: (secret) => percent(secret, false) },
  {
    name: "percent, reserved characters, lower case",
    encode: (secret) => lowerPercent(percent(secret, false)),
  },
  { name: "percent, every byte", encode: (secret) => percent(secret, true) },
  {
    name: "percent, every byte, lower case",
    encode: (secret) => lowerPercent(percent(secret, true)),
  },
  {
    name: "JSON",
    encode: (secret) =>
      Buffer.from(JSON.stringify(secret.toString()).slice(1, -1)).toString("latin1"),
  },
  {
    name: "JSON, slashes escaped",
    encode: (secret) =>
      Buffer.from(JSON.stringify(secret.toString()).slice(1, -1).replaceAll("/", "\\/")).toString(
        "latin1",
      ),
  },
  {
    name: "JSON, \\u for all",
    encode: (secret) =>
      [...units(secret.toString())]
        .map((unit) => `\\u${unit.toString(16).padStart(4, "0")}`)
        .join(""),
  },
  {
    name: "backslash x, every byte",
    encode: (secret) =>
      [...secret].map((byte) => `\\x${byte.toString(16).padStart(2, "0")}`).join(""),
  },
  {
    name: "UTF-16LE",
    encode: (secret) => Buffer.from(secret.toString(), "utf16le").toString("latin1"),
  },
  {
    name: "UTF-16BE",
    encode: (secret) => Buffer.from(secret.toString(), "utf16le").swap16().toString("latin1"),
  },
  { name: "reversed", encode: (secret) => Buffer.from(secret).reverse().toString("latin1") },
];

/** Shorter spellings would hide innocent text, and say nothing. */
const MIN_NEEDLE = 6;

/** Every spelling of a secret, without repetitions, the longest first. */
export function spellings(secret: string): string[] {
  const bytes = Buffer.from(secret);
  const all = new Set(ENCODINGS.map(({ encode }) => encode(bytes)));
  // Output is searched with line breaks left out, so they are left out of what is searched for.
  const needles = new Set([...all].map((needle) => needle.replaceAll(/[\r\n]/gu, "")));
  const raw = bytes.toString("latin1").replaceAll(/[\r\n]/gu, "");
  return [...needles]
    .filter((needle) => needle.length >= MIN_NEEDLE || (needle === raw && needle.length > 0))
    .toSorted((a, b) => b.length - a.length);
}

function core64(secret: Buffer, shift: 0 | 1 | 2, alphabet: "base64" | "base64url"): string {
  const text = Buffer.concat([Buffer.alloc(shift), secret])
    .toString(alphabet)
    .replaceAll("=", "");
  const cutEnd = (shift + secret.length) % 3 === 0 ? 0 : 1;
  return text.slice(shift === 0 ? 0 : shift + 1, text.length - cutEnd);
}

function percent(secret: Buffer, all: boolean): string {
  return [...secret]
    .map((byte) => {
      const char = String.fromCharCode(byte);
      return !all && /[A-Za-z0-9._~-]/u.test(char)
        ? char
        : `%${byte.toString(16).toUpperCase().padStart(2, "0")}`;
    })
    .join("");
}

function lowerPercent(text: string): string {
  return text.replaceAll(/%[0-9A-F]{2}/gu, (code) => code.toLowerCase());
}

function* units(text: string): Generator<number> {
  for (let i = 0; i < text.length; i += 1) yield text.charCodeAt(i);
}
