/** `npm run format [-- paths…]`: formats, then repairs what the linter can repair safely. */
import { dirname } from "node:path";
import { execute } from "./check/execute.ts";

const root = dirname(import.meta.dirname);
const given = process.argv.slice(2);
const paths = given.length > 0 ? given : ["."];
// What the linter still finds is `npm run check`'s to report.
await execute("oxlint", ["--fix", "--silent", ...paths], root);
const { status, output } = await execute("oxfmt", paths, root);
if (output.trim() !== "") console.log(output.trim());
process.exitCode = status;
