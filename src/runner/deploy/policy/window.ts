import * as z from "zod";

const DAYS = ["sun", "mon", "tue", "wed", "thu", "fri", "sat"] as const;
const Time = z.string().regex(/^(?:[01][0-9]|2[0-3]):[0-5][0-9]$/u, "must be a time such as 08:30");

/** When deploys may begin, in UTC. `from` belongs to it, `to` does not; one that ends before it begins lasts over midnight. */
export const Window = z.strictObject({
  days: z.array(z.enum(DAYS)).min(1).max(7),
  from: Time,
  to: Time,
});
export type Window = z.infer<typeof Window>;

const DAY = 24 * 60;

/**
 * Whether `now` (Unix ms) lies in one of them. A window over midnight belongs to the day that it began on. No window at all
 * leaves nothing out.
 */
export function isOpen(windows: readonly Window[] | null, now: number): boolean {
  if (windows === null) return true;
  const date = new Date(now);
  const minute = date.getUTCHours() * 60 + date.getUTCMinutes();
  const today = date.getUTCDay();
  return windows.some(({ days, from, to }) => {
    const begin = minutes(from);
    const length = (minutes(to) - begin + DAY) % DAY || DAY;
    const began = (day: number) => days.includes(DAYS[(day + 7) % 7] ?? "sun");
    return (
      (began(today) && minute >= begin && minute < begin + length) ||
      (began(today - 1) && minute + DAY < begin + length)
    );
  });
}

/** For people: `mon tue 08:00 to 17:00 UTC`. */
export function describeWindows(windows: readonly Window[]): string {
  return windows
    .map(({ days, from, to }) => `${days.join(" ")} ${from} to ${to} UTC`)
    .join(", or ");
}

function minutes(time: string): number {
  const [hours = "0", rest = "0"] = time.split(":");
  return Number(hours) * 60 + Number(rest);
}
