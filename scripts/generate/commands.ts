/** docs/commands.md, of the registry. */
import { commandsPage } from "../../src/core/command/page.ts";
import type { Generator } from "../check/generators.ts";

export const generate: Generator = () =>
  Promise.resolve([{ path: "docs/commands.md", content: commandsPage() }]);
