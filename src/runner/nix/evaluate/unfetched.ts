import type { Attribute } from "../../../protocol/attribute.ts";
import { shorten } from "../log/clean.ts";
import type { LockedFlake } from "./flake.ts";
import { needsNetwork } from "./group.ts";

/** What is told of something that failed for want of the network, while inputs could not be fetched: what the fetch step was told. */
export function forWantOf(
  unfetched: LockedFlake["unfetched"],
  message: string,
): LockedFlake["unfetched"][number] | null {
  const [first, ...more] = unfetched;
  if (first === undefined || !needsNetwork(message)) return null;
  const rest = more.map((one) => `\n${one.message}`).join("");
  return { message: shorten(`${first.message}${rest}`, 16_384), position: first.position };
}

/** The same for an attribute. */
export function attributeForWantOf(
  unfetched: LockedFlake["unfetched"],
  attribute: Attribute,
): Attribute {
  const { result } = attribute;
  const why = result.kind === "error" ? forWantOf(unfetched, result.message) : null;
  return why === null ? attribute : { ...attribute, result: { kind: "error", ...why } };
}
