import { readFile } from "node:fs/promises";
import { setTimeout } from "node:timers/promises";
import { descendants } from "../../runner/isolation/support.ts";

/** Processes beneath this one are quiet when in so many looks in a row they used at most a tick each. */
const LOOKS = 5;
const LOOK_EVERY = 100;
/** What is not quiet by then is not waited for any longer (ms): the measurement says how loud it is. */
const PATIENCE = 60_000;

/** Resolves when everything that this process started has nothing to do: what was put off must not be paid for by the next. */
export async function quiet(): Promise<void> {
  const until = performance.now() + PATIENCE;
  let last = await ticks();
  for (let still = 0; still < LOOKS && performance.now() < until;) {
    await setTimeout(LOOK_EVERY);
    const used = await ticks();
    still = used - last <= 2 ? still + 1 : 0;
    last = used;
  }
}

/** Clock ticks that all processes beneath this one have used, from /proc (utime + stime, proc(5)). */
async function ticks(): Promise<number> {
  const all = await Promise.all(
    (await descendants(process.pid)).map(async ({ pid }) => {
      const stat = await readFile(`/proc/${pid}/stat`, "utf8").catch(() => null);
      const fields = stat?.slice(stat.lastIndexOf(")") + 2).split(" ") ?? [];
      return Number(fields[11] ?? 0) + Number(fields[12] ?? 0);
    }),
  );
  return all.reduce((sum, one) => sum + one, 0);
}
