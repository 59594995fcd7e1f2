import type { Answer } from "./answer.ts";
import type { Actor } from "./auth.ts";
import type { Operation } from "./description.ts";
import type { RateLimits } from "./limits.ts";
import type { Repository } from "./state.ts";
import type { World } from "./world.ts";

/** Query parameters as the published types have them. */
export type Query = Record<string, string | number | boolean | undefined>;

/** One authorized request whose parameters and body have been validated against the published description. */
export interface Call {
  world: World;
  operation: Operation;
  actor: Actor;
  params: Record<string, string>;
  query: Query;
  /** Valid by the operation's schema; handlers name the fields they use. */
  body: unknown;
  /** The path with its query, for links. */
  target: string;
  limits: RateLimits;
  /** The repository of the path; throws where the path has none. */
  readonly repo: Repository;
}

export type Handler = (call: Call) => Answer | Promise<Answer>;
export type Handlers = Record<string, Handler>;

/** A numeric path parameter; NaN matches nothing. */
export const numeric = (call: Call, name: string): number => Number(call.params[name]);

/**
 * One page of a list, with GitHub's Link header. Only the items of the page are rendered. `wrap` makes the envelope of
 * the lists that have one.
 */
export async function page<T>(
  call: Call,
  items: readonly T[],
  render: (item: T) => unknown,
  wrap: (shown: unknown[], total: number) => unknown = (shown) => shown,
): Promise<Answer> {
  const size = Math.min(Math.max(Number(call.query["per_page"] ?? 30), 1), 100);
  const at = Math.max(Number(call.query["page"] ?? 1), 1);
  const last = Math.max(Math.ceil(items.length / size), 1);
  const shown = await Promise.all(items.slice((at - 1) * size, at * size).map(render));
  const link = (to: number, rel: string): string => {
    const url = new URL(call.target, call.world.url);
    url.searchParams.set("per_page", String(size));
    url.searchParams.set("page", String(to));
    return `<${url.href}>; rel="${rel}"`;
  };
  const links = [
    ...(at > 1 ? [link(Math.min(at - 1, last), "prev")] : []),
    ...(at < last ? [link(at + 1, "next"), link(last, "last")] : []),
    ...(at > 1 ? [link(1, "first")] : []),
  ];
  return {
    status: 200,
    body: wrap(shown, items.length),
    headers: links.length > 0 ? { link: links.join(", ") } : {},
  };
}
