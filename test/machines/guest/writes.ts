import { closeSync, fstatSync, openSync, readSync, writeSync } from "node:fs";

/**
 * QEMU's `blklogwrites` keeps every write of the guest in the order in which it was made, and where the guest asked for
 * all before to be durable. The log's layout is Linux's dm-log-writes: a block for the head, then for each entry a block
 * (sector, sectors, flags, length: 64 bits each) and its data.
 * Source: Linux, Documentation/admin-guide/device-mapper/log-writes.rst; QEMU, block/blklogwrites.c.
 */
const MAGIC = 0x6a_73_66_77_73_68_72n;
const FLUSH = 1n;
const FUA = 2n;
const DISCARD = 4n;

interface Write {
  readonly to: number;
  readonly length: number;
  /** Where its data is in the log; null: zeroes. */
  readonly at: number | null;
}

export interface Settled {
  /** Writes on the disk now, and those that were lost: made after the last flush. */
  readonly kept: number;
  readonly lost: number;
}

/**
 * Brings a disk to what it holds after its power went: all that was written before the last flush, and of what was written
 * after it each write for which `survives` says so. (Disks may keep any of those: that the guest saw them end means nothing.)
 */
export function settleDisk(
  disk: string,
  log: string,
  survives: (index: number) => boolean,
): Settled {
  const from = openSync(log, "r");
  const to = openSync(disk, "r+");
  try {
    const { durable, pending } = readLog(from);
    const kept = [...durable, ...pending.filter((_, index) => survives(index))];
    for (const write of kept) apply(from, to, write);
    return { kept: kept.length, lost: durable.length + pending.length - kept.length };
  } finally {
    closeSync(from);
    closeSync(to);
  }
}

function readLog(log: number): { durable: Write[]; pending: Write[] } {
  const block = Buffer.alloc(4_096);
  readSync(log, block, 0, block.length, 0);
  if (block.readBigUInt64LE(0) !== MAGIC)
    throw new Error(`this is no log of writes: ${block.toString("hex", 0, 16)}`);
  const size = block.readUInt32LE(24);
  const end = fstatSync(log).size;
  const durable: Write[] = [];
  let pending: Write[] = [];
  // The head's count of entries is written with flushes alone: entries go on while they make sense.
  for (let at = size; at + size <= end;) {
    readSync(log, block, 0, 32, at);
    const [sector, sectors, flags] = [0, 8, 16].map((offset) => block.readBigUInt64LE(offset));
    if (sector === undefined || sectors === undefined || flags === undefined) break;
    const length = Number(sectors) * size;
    const discards = (flags & DISCARD) !== 0n;
    if (flags === 0n && sectors === 0n) break;
    const data = at + size;
    at = data + (discards ? 0 : length);
    if (at > end) break;
    // A flush says that what came before it is durable; a forced write is so itself.
    if ((flags & FLUSH) !== 0n) {
      durable.push(...pending);
      pending = [];
    }
    if (sectors === 0n) continue;
    const write = { to: Number(sector) * size, length, at: discards ? null : data };
    if ((flags & FUA) === 0n) pending.push(write);
    else durable.push(write);
  }
  return { durable, pending };
}

function apply(from: number, to: number, { to: position, length, at }: Write): void {
  const piece = Buffer.alloc(Math.min(length, 1 << 20));
  for (let done = 0; done < length; done += piece.length) {
    const size = Math.min(piece.length, length - done);
    if (at !== null && readSync(from, piece, 0, size, at + done) !== size)
      throw new Error("the log of writes ends within a write");
    writeSync(to, piece, 0, size, position + done);
  }
}
