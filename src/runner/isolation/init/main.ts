// The entry inside a sandbox when the sources run as they are; the bundle has `snowcat sandbox-init` and `sandbox-connect`.
import { connectThrough } from "./connect.ts";
import { networkInit } from "./network-init.ts";

const [first, ...rest] = process.argv.slice(2);
process.exit(
  first === "connect" ? await connectThrough(rest) : await networkInit(process.argv.slice(2)),
);
