import { stripVTControlCharacters } from "node:util";

/** Nix's own texts and what users print, made fit for a report: no escape sequences, no control characters but tab and newline. */
export function clean(text: string): string {
  return stripVTControlCharacters(text).replace(/[\u0000-\u0008\u000b-\u001f\u007f]/gu, "");
}

/** Cuts a text to `max` UTF-16 units, and says so. */
export function shorten(text: string, max: number): string {
  const mark = " … (cut)";
  return text.length <= max ? text : text.slice(0, max - mark.length) + mark;
}
