import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { settleDisk } from "../../machines/guest/writes.ts";

/** A disk of eight sectors, each of which says what was last written to it; and a log of writes as QEMU has it. */
const SECTOR = 512;
const FLUSH = 1;
const FUA = 2;
const DISCARD = 4;

let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "snowcat-writes-"));
});
afterEach(() => {
  rmSync(folder, { recursive: true });
});

type Entry = { flags?: number; sector?: number; text?: string };

function settle(entries: readonly Entry[], survives: (index: number) => boolean = () => false) {
  const head = Buffer.alloc(SECTOR);
  head.writeBigUInt64LE(0x6a_73_66_77_73_68_72n, 0);
  head.writeBigUInt64LE(1n, 8);
  head.writeUInt32LE(SECTOR, 24);
  const blocks = entries.flatMap(({ flags = 0, sector = 0, text = "" }) => {
    const block = Buffer.alloc(SECTOR);
    const sectors = (flags & DISCARD) === 0 ? text.length : 1;
    for (const [at, value] of [sector, sectors, flags].entries())
      block.writeBigUInt64LE(BigInt(value), at * 8);
    return [block, ...text.split("").map((letter) => Buffer.alloc(SECTOR, letter))];
  });
  const [disk, log] = [join(folder, "disk"), join(folder, "log")];
  writeFileSync(disk, Buffer.alloc(8 * SECTOR, "."));
  writeFileSync(log, Buffer.concat([head, ...blocks]));
  const settled = settleDisk(disk, log, survives);
  const content = readFileSync(disk);
  const letters = Array.from({ length: 8 }, (_, at) =>
    content.toString("latin1", at * SECTOR, at * SECTOR + 1),
  );
  return { ...settled, disk: letters.join("").replaceAll("\0", "0") };
}

const writes: Entry[] = [
  { sector: 0, text: "a" },
  { sector: 1, text: "bb" },
  { flags: FLUSH },
  { sector: 0, text: "c" },
  { sector: 5, text: "d" },
];

test("what was not flushed is lost, later writes to the same place too", () => {
  expect(settle(writes)).toEqual({ kept: 2, lost: 2, disk: "abb....." });
});

test("a disk may keep any of it", () => {
  expect(settle(writes, (write) => write === 1)).toEqual({ kept: 3, lost: 1, disk: "abb..d.." });
  expect(settle(writes, () => true)).toEqual({ kept: 4, lost: 0, disk: "cbb..d.." });
});

test("a forced write is durable by itself, and nothing before it", () => {
  const forced = { sector: 7, text: "f", flags: FUA };
  expect(settle([{ sector: 0, text: "a" }, forced])).toEqual({
    kept: 1,
    lost: 1,
    disk: ".......f",
  });
});

test("a discarded sector reads as zeroes, a write of which only a part was logged is none", () => {
  const discarded = [{ sector: 3, flags: DISCARD }, { flags: FLUSH }];
  expect(settle(discarded)).toEqual({ kept: 1, lost: 0, disk: "...0...." });
});
