/** Looks at the machine; changes nothing. */
import { accessSync, constants, readdirSync, readFileSync } from "node:fs";
import { delimiter, join } from "node:path";

/** Debian keeps some tools out of a plain user's PATH. */
const systemFolders = ["/usr/sbin", "/sbin"];

/**
 * @param {import("./table.mjs").Tool} tool
 * @param {string} path as in PATH
 */
export function isThere(tool, path) {
  const file = find(tool.binary, path);
  return file !== undefined && (!tool.static || isStatic(file));
}

/**
 * @param {string} binary
 * @param {string} path as in PATH
 * @returns {string | undefined} the file, if it can be run
 */
export function find(binary, path) {
  for (const folder of [...path.split(delimiter), ...systemFolders]) {
    if (folder === "") continue;
    const file = join(folder, binary);
    try {
      accessSync(file, constants.X_OK);
      return file;
    } catch {
      // Not in this folder: the next one may have it.
    }
  }
  return undefined;
}

/**
 * A static ELF binary has no PT_INTERP program header.
 * Source: elf(5), the 64-bit little-endian layout that x86_64 and aarch64 share.
 *
 * @param {string} file
 */
export function isStatic(file) {
  const elf = readFileSync(file);
  if (elf.length < 64 || elf.readUInt32BE(0) !== 0x7f454c46 || elf[4] !== 2) return false;
  const PT_INTERP = 3;
  const table = Number(elf.readBigUInt64LE(32));
  const size = elf.readUInt16LE(54);
  const count = elf.readUInt16LE(56);
  for (let index = 0; index < count; index += 1) {
    if (elf.readUInt32LE(table + index * size) === PT_INTERP) return false;
  }
  return true;
}

/** Whether apt knows any package at all (a fresh container does not). */
export function hasPackageLists() {
  try {
    return readdirSync("/var/lib/apt/lists").some((name) => /_Packages(\.|$)/.test(name));
  } catch {
    return false;
  }
}
