import { mkdir, open, readdir, readFile, rm } from "node:fs/promises";
import { join } from "node:path";
import { CLOCK_SKEW } from "../../protocol/enrolment.ts";
import type { Specification } from "../../protocol/specification.ts";

type Claim = Pick<Specification, "job" | "attempt" | "expiresAt">;

/**
 * Which attempts were taken, until no copy of their specifications is believed any more: a signature that holds says that the
 * control plane once wanted it done, not that it wants it done again.
 */
export class Claims {
  readonly #root: string;

  constructor(directory: string) {
    this.#root = join(directory, "claims");
  }

  /**
   * False where it was taken before. Durable when it resolves.
   * @param now Unix time (ms).
   */
  async take({ job, attempt, expiresAt }: Claim, now: number): Promise<boolean> {
    await mkdir(this.#root, { recursive: true, mode: 0o700 });
    await this.#expire(now);
    const file = await open(join(this.#root, `${job}-${attempt}`), "wx", 0o600).catch(taken);
    if (file === null) return false;
    try {
      await file.writeFile(String(expiresAt + CLOCK_SKEW));
      await file.sync();
    } finally {
      await file.close();
    }
    return true;
  }

  async #expire(now: number): Promise<void> {
    for (const name of await readdir(this.#root)) {
      const path = join(this.#root, name);
      const until = Number(await readFile(path, "utf8"));
      // Of a life that ended as it wrote the number, there is none: rather one small file too many than an attempt twice.
      if (until > 0 && until <= now) await rm(path, { force: true });
    }
  }
}

function taken(error: unknown): null {
  if (error instanceof Error && "code" in error && error.code === "EEXIST") return null;
  throw error;
}
