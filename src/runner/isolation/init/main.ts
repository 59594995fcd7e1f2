// The entry inside a sandbox when the sources run as they are; the bundle has `snowcat sandbox-init`.
import { networkInit } from "./network-init.ts";

process.exit(await networkInit(process.argv.slice(2)));
