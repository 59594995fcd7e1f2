import * as z from "zod";
import { clean } from "./clean.ts";
import { LINE_BYTES } from "./lines.ts";

/** A place as Nix names it: `file` is a path, or the text of an expression given on the command line. */
export interface LogPosition {
  readonly file: string;
  readonly line: number;
  readonly column: number | null;
}

/** Kinds of activities and results (nix: `src/libutil/logging.hh`) that are looked at. */
export const ACTIVITY = { builds: 104, build: 105 } as const;
export const RESULT = { buildLogLine: 101, progress: 105 } as const;

/** One line of `--log-format internal-json`. What is not of that format is `text`: it degrades, it never vanishes. */
export type LogEvent =
  | {
      readonly kind: "message";
      readonly level: number;
      /** Cleaned; the whole message with its trace. */
      readonly message: string;
      /** Cleaned; the bare error. Null for what is not an error record. */
      readonly error: string | null;
      readonly position: LogPosition | null;
      readonly trace: readonly LogPosition[];
    }
  | {
      readonly kind: "start";
      readonly id: string;
      readonly activity: number;
      readonly fields: readonly (string | number)[];
    }
  | { readonly kind: "stop"; readonly id: string }
  | {
      readonly kind: "result";
      readonly id: string;
      readonly result: number;
      readonly fields: readonly (string | number)[];
    }
  | { readonly kind: "text"; readonly line: string };

const Fields = z.array(z.union([z.string(), z.number()])).default([]);
const Place = z.object({
  file: z.string().nullish(),
  line: z.number().nullish(),
  column: z.number().nullish(),
});
const Line = z.discriminatedUnion("action", [
  Place.extend({
    action: z.literal("msg"),
    level: z.number(),
    msg: z.string(),
    raw_msg: z.string().nullish(),
    trace: z.array(Place).nullish().catch(null),
  }),
  z.object({ action: z.literal("start"), type: z.number(), fields: Fields }),
  z.object({ action: z.literal("stop") }),
  z.object({ action: z.literal("result"), type: z.number(), fields: Fields }),
]);

const PREFIX = "@nix ";
/** Identifiers are 64 bits wide and so not JavaScript numbers; quotes inside strings are escaped, so this finds only the key. */
const ID = /"id":([0-9]+)/;

export function parseLogLine(line: string): LogEvent {
  if (!line.startsWith(PREFIX)) return { kind: "text", line };
  const text = line.slice(PREFIX.length);
  const parsed = Line.safeParse(json(text) ?? beforeTrace(text));
  if (!parsed.success) return { kind: "text", line };
  const value = parsed.data;
  if (value.action === "msg") {
    return {
      kind: "message",
      level: value.level,
      message: clean(value.msg),
      error: value.raw_msg == null ? null : clean(value.raw_msg),
      position: place(value),
      trace: (value.trace ?? []).flatMap((entry) => place(entry) ?? []),
    };
  }
  const id = ID.exec(line)?.[1];
  if (id === undefined) return { kind: "text", line };
  switch (value.action) {
    case "start":
      return { kind: "start", id, activity: value.type, fields: value.fields };
    case "stop":
      return { kind: "stop", id };
    case "result":
      return { kind: "result", id, result: value.type, fields: value.fields };
  }
}

/**
 * A record that was cut for its length inside its trace, which comes last: a stack that overflows has ten thousand places.
 * Shorter ones are torn, and put together by the reader.
 */
function beforeTrace(text: string): unknown {
  const at = text.length < LINE_BYTES / 2 ? -1 : text.indexOf(',"trace":[');
  return at < 0 ? null : json(`${text.slice(0, at)}}`);
}

function json(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return null;
  }
}

function place(found: z.output<typeof Place>): LogPosition | null {
  if (found.file == null || found.line == null) return null;
  // 2.26 and 2.34 say the place twice: `"file":"/x/flake.nix:3:9","line":3,"column":9`.
  const again = `:${found.line}:${found.column ?? ""}`;
  const file = found.file.endsWith(again) ? found.file.slice(0, -again.length) : found.file;
  return { file, line: found.line, column: found.column ?? null };
}
