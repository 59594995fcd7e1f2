/**
 * When something is done by itself: `hourly`, `daily`, `weekly`, `monthly`, or five fields as cron has them (minute, hour, day
 * of the month, month, day of the week), in UTC.
 */
export type Schedule = {
  minutes: ReadonlySet<number>;
  hours: ReadonlySet<number>;
  days: ReadonlySet<number>;
  months: ReadonlySet<number>;
  /** 0 is Sunday. */
  weekdays: ReadonlySet<number>;
  /** As in every cron: where both are named, either is enough. */
  either: boolean;
};

const WORDS: Readonly<Record<string, string>> = {
  hourly: "0 * * * *",
  daily: "0 4 * * *",
  weekly: "0 4 * * 1",
  monthly: "0 4 1 * *",
};
const MONTHS = ["jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec"];
const WEEKDAYS = ["sun", "mon", "tue", "wed", "thu", "fri", "sat"];

/** Null where it is none. */
export function readSchedule(text: string): Schedule | null {
  const fields = (WORDS[text.trim()] ?? text).trim().toLowerCase().split(/\s+/u);
  const [minute, hour, day, month, weekday] = fields;
  if (fields.length !== 5 || !minute || !hour || !day || !month || !weekday) return null;
  const minutes = readField(minute, 0, 59, []);
  const hours = readField(hour, 0, 23, []);
  const days = readField(day, 1, 31, []);
  const months = readField(month, 1, 12, MONTHS);
  const read = readField(weekday, 0, 7, WEEKDAYS);
  if (!minutes || !hours || !days || !months || !read) return null;
  const weekdays = new Set([...read].map((one) => one % 7));
  return {
    minutes,
    hours,
    days,
    months,
    weekdays,
    either: !day.startsWith("*") && !weekday.startsWith("*"),
  };
}

function readField(text: string, least: number, most: number, names: string[]): Set<number> | null {
  const found = new Set<number>();
  for (const part of text.split(",")) {
    const match = /^(\*|[a-z0-9]+)(?:-([a-z0-9]+))?(?:\/([0-9]{1,2}))?$/u.exec(part);
    if (match === null) return null;
    const [, first = "", last, every] = match;
    const step = every === undefined ? 1 : Number(every);
    const from = first === "*" ? least : numberOf(first, least, names);
    // `5/10` is every tenth from the fifth on.
    const to =
      last === undefined
        ? first === "*" || every !== undefined
          ? most
          : from
        : numberOf(last, least, names);
    if (from === null || to === null || from < least || to > most || from > to || step < 1)
      return null;
    if (first === "*" && last !== undefined) return null;
    for (let one = from; one <= to; one += step) found.add(one);
  }
  return found;
}

function numberOf(text: string, least: number, names: string[]): number | null {
  if (/^[0-9]{1,2}$/u.test(text)) return Number(text);
  const at = names.indexOf(text);
  return at === -1 ? null : at + least;
}

const MINUTE = 60_000;
const DAY = 86_400_000;
/** The 29th of February comes back within eight years, whatever the century. */
const DAYS_AHEAD = 366 * 8;

/** The first moment of the schedule after another one (Unix ms); null where it never comes. */
export function nextOf(schedule: Schedule, after: number): number | null {
  const from = (Math.floor(after / MINUTE) + 1) * MINUTE;
  const today = Math.floor(from / DAY);
  for (let day = today; day < today + DAYS_AHEAD; day += 1) {
    if (!fits(schedule, day)) continue;
    const least = day === today ? (from % DAY) / MINUTE : 0;
    for (let minute = least; minute < 24 * 60; minute += 1)
      if (schedule.hours.has(Math.floor(minute / 60)) && schedule.minutes.has(minute % 60))
        return day * DAY + minute * MINUTE;
  }
  return null;
}

function fits({ days, months, weekdays, either }: Schedule, day: number): boolean {
  const date = dateOf(day);
  // The first of January 1970 was a Thursday.
  const weekday = (((day + 4) % 7) + 7) % 7;
  if (!months.has(date.month)) return false;
  return either
    ? days.has(date.day) || weekdays.has(weekday)
    : days.has(date.day) && weekdays.has(weekday);
}

/** Month and day of a day counted from 1970, by the calendar's own arithmetic (H. Hinnant, `civil_from_days`). */
function dateOf(day: number): { month: number; day: number } {
  const shifted = day + 719_468;
  const ofEra = ((shifted % 146_097) + 146_097) % 146_097;
  const year = Math.floor(
    (ofEra - Math.floor(ofEra / 1_460) + Math.floor(ofEra / 36_524) - Math.floor(ofEra / 146_096)) /
      365,
  );
  const ofYear = ofEra - (365 * year + Math.floor(year / 4) - Math.floor(year / 100));
  const month = Math.floor((5 * ofYear + 2) / 153);
  return {
    month: month < 10 ? month + 3 : month - 9,
    day: ofYear - Math.floor((153 * month + 2) / 5) + 1,
  };
}
