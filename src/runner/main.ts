#!/usr/bin/env node
import { cli } from "./cli/cli.ts";
import { runInternalCommand } from "./isolation/commands.ts";

const argv = process.argv.slice(2);
if (!(await runInternalCommand(argv))) process.exitCode = await cli(argv);
