// Stands around the Worker in workerd and counts what its objects ask of their storage. The Worker itself is as it is
// deployed. All objects of one Worker share an isolate here, so one table serves them all. Only types may be imported.
// @ts-expect-error -- the bundle, which stands beside this module in workerd alone
import * as bundle from "./worker.js";

type Cursor = { rowsWritten: number };
type Sql = { exec(this: Sql, query: string, ...values: unknown[]): Cursor };
type Base = new (context: { storage: { sql: Sql } }, environment: unknown) => object;
type Handler = { fetch(request: Request, env: Env, context: unknown): Promise<Response> };
/** The namespace's stubs have the methods of the class Log. */
type Env = { GITHUB_HOST: string; LOG: { getByName(name: string): Log } };
type Log = {
  streams(): Promise<{ stream: string; size: number }[]>;
  read(stream: string, offset: number): Promise<{ data: Uint8Array; next: number }>;
};
type Count = { executed: number; rowsWritten: number };

const objects = bundle as Record<string, Base> & { default: Handler };

/** Class → what its objects' statements came to; `statements` by their text, for whoever looks for the dear ones. */
const counts = new Map<string, Count & { statements: Map<string, Count> }>();
/** Wrappers of storages, kept so that they stay the same objects; to whom each belongs. */
const owners = new Map<Sql, string>();
let counting = false;

function metered(name: string): Base {
  const Inner = objects[name];
  if (Inner === undefined) throw new Error(`the bundle has no class ${name}`);
  return class extends Inner {
    constructor(context: { storage: { sql: Sql } }, environment: unknown) {
      watch(context.storage.sql, name);
      super(context, environment);
    }
  };
}

function watch(sql: Sql, name: string): void {
  owners.set(sql, name);
  if (counting) return;
  counting = true;
  const prototype = Object.getPrototypeOf(sql) as Sql;
  const exec: unknown = Reflect.get(prototype, "exec");
  if (typeof exec !== "function") throw new Error("the storage has no exec");
  prototype.exec = function counted(this: Sql, query: string, ...values: unknown[]) {
    const cursor = Reflect.apply(exec, this, [query, ...values]) as Cursor;
    add(owners.get(this) ?? "unknown", query, cursor);
    return cursor;
  };
}

/** What a statement writes it has written before its first row is read. */
function add(name: string, query: string, { rowsWritten }: Cursor): void {
  const of = counts.get(name) ?? { executed: 0, rowsWritten: 0, statements: new Map() };
  counts.set(name, of);
  const text = query.trim().replaceAll(/\s+/gu, " ").slice(0, 80);
  const statement = of.statements.get(text) ?? { executed: 0, rowsWritten: 0 };
  of.statements.set(text, statement);
  for (const each of [of, statement]) {
    each.executed += 1;
    each.rowsWritten += rowsWritten;
  }
}

function report(): object {
  return Object.fromEntries(
    [...counts].map(([name, { executed, rowsWritten, statements }]) => {
      const most = [...statements].toSorted(([, a], [, b]) => b.executed - a.executed).slice(0, 40);
      return [name, { executed, rowsWritten, statements: Object.fromEntries(most) }];
    }),
  );
}

/** Every stream of an attempt's log, whole, as text. */
async function logs(env: Env, job: string, attempt: number): Promise<Record<string, string>> {
  const log = env.LOG.getByName(`${env.GITHUB_HOST}/job/${job}/${attempt}`);
  const found: Record<string, string> = {};
  for (const { stream, size } of await log.streams()) {
    let text = "";
    for (let at = 0; at < size;) {
      const { data, next } = await log.read(stream, at);
      if (next === at) break;
      text += new TextDecoder().decode(data);
      at = next;
    }
    found[stream] = text;
  }
  return found;
}

export const Account = metered("Account");
export const Fleet = metered("Fleet");
export const Log = metered("Log");
export const Repo = metered("Repo");
export const Run = metered("Run");
export const Writer = metered("Writer");

export default {
  ...objects.default,
  async fetch(request: Request, env: Env, context: unknown): Promise<Response> {
    const { pathname, searchParams } = new URL(request.url);
    if (pathname === "/meter/reset") {
      counts.clear();
      return new Response("");
    }
    if (pathname === "/meter/counts") return Response.json(report());
    if (pathname === "/meter/logs") {
      const job = searchParams.get("job") ?? "";
      return Response.json(await logs(env, job, Number(searchParams.get("attempt"))));
    }
    return objects.default.fetch(request, env, context);
  },
};
