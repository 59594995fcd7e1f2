import { WEEKDAYS, type Window } from "../config/machines.ts";

/** Whether a moment (Unix ms) lies in one of these windows, each by the clocks of its own zone. */
export function inWindow(windows: readonly Window[], now: number): boolean {
  return windows.some((window) => {
    const { day, minute } = clock(now, window.zone ?? "UTC");
    const from = minutesOf(window.from ?? "00:00");
    const to = minutesOf(window.to ?? "24:00");
    const days = window.days ?? WEEKDAYS;
    if (from < to) return days.includes(day) && minute >= from && minute < to;
    // Over midnight: the part behind it belongs to the day on which it began.
    return minute >= from ? days.includes(day) : minute < to && days.includes(before(day));
  });
}

/** As a person reads it: `mon–fri 09:00–17:00 Europe/Berlin`. */
export function windowText({ days, from, to, zone }: Window): string {
  const when = days === undefined || days.length === 7 ? "every day" : days.join(", ");
  return `${when} ${from ?? "00:00"}–${to ?? "24:00"} ${zone ?? "UTC"}`;
}

/** The day of the date in UTC, as `2026-12-24`. */
export function dayOf(now: number): string {
  const { year, month, day } = parts(now, "UTC");
  return `${year}-${month}-${day}`;
}

type Weekday = (typeof WEEKDAYS)[number];

function clock(now: number, zone: string): { day: Weekday; minute: number } {
  const { weekday, hour, minute } = parts(now, zone);
  const day = WEEKDAYS.find((name) => name === weekday?.toLowerCase());
  if (day === undefined) throw new Error(`no weekday was read in ${zone}: ${weekday}`);
  // Midnight is 24 in some implementations.
  return { day, minute: (Number(hour) % 24) * 60 + Number(minute) };
}

function parts(now: number, zone: string): Partial<Record<string, string>> {
  const format = new Intl.DateTimeFormat("en-GB", {
    timeZone: zone,
    weekday: "short",
    year: "numeric",
    month: "2-digit",
    day: "2-digit",
    hour: "2-digit",
    minute: "2-digit",
    hourCycle: "h23",
  });
  return Object.fromEntries(format.formatToParts(now).map(({ type, value }) => [type, value]));
}

function minutesOf(time: string): number {
  const [hours = "0", minutes = "0"] = time.split(":");
  return Number(hours) * 60 + Number(minutes);
}

function before(day: Weekday): Weekday {
  return WEEKDAYS[(WEEKDAYS.indexOf(day) + 6) % 7] ?? day;
}
