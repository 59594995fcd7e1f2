import { posix } from "node:path";
import type { Sink } from "../../agent/sink.ts";

/** Name of a derivation's log stream: its base name. */
export function streamOf(drv: string): string {
  return posix.basename(drv);
}

/**
 * Writes the lines of many builds to their streams, a chunk of lines at a time and in order. Nix cannot be made to wait,
 * so each chunk is handed over at once: behind the sink a stream is bounded by its cap, here nothing would bound it.
 */
export class BuildLogs {
  readonly #sink: Pick<Sink, "log">;
  readonly #waiting = new Map<string, string[]>();
  readonly #written = new Map<string, Promise<void>>();
  #scheduled = false;

  constructor(sink: Pick<Sink, "log">) {
    this.#sink = sink;
  }

  line(drv: string, line: string): void {
    const lines = this.#waiting.get(drv);
    if (lines === undefined) this.#waiting.set(drv, [line]);
    else lines.push(line);
    if (this.#scheduled) return;
    this.#scheduled = true;
    setImmediate(() => this.#write());
  }

  /** All lines of these derivations are with the sink, and their streams are closed. */
  async close(drvs: Iterable<string>): Promise<void> {
    this.#write();
    await Promise.all(
      [...drvs].map(async (drv) => {
        const written = this.#written.get(drv);
        if (written === undefined) return;
        this.#written.delete(drv);
        await written;
        await this.#sink.log(streamOf(drv)).close();
      }),
    );
  }

  async closeAll(): Promise<void> {
    this.#write();
    await this.close([...this.#written.keys()]);
  }

  #write(): void {
    this.#scheduled = false;
    for (const [drv, lines] of this.#waiting) {
      const bytes = new TextEncoder().encode(`${lines.join("\n")}\n`);
      const before = this.#written.get(drv) ?? Promise.resolve();
      const after = both(before, this.#hand(drv, bytes));
      // Whoever closes the stream gets the failure; until then it must not count as unhandled.
      after.catch(() => {});
      this.#written.set(drv, after);
    }
    this.#waiting.clear();
  }

  async #hand(drv: string, bytes: Uint8Array): Promise<void> {
    await this.#sink.log(streamOf(drv)).write(bytes);
  }
}

async function both(...writes: Promise<void>[]): Promise<void> {
  await Promise.all(writes);
}
