import type { ToolWork } from "../../protocol/tool.ts";
import { code } from "../report/escape.ts";

/** What a tool is called with, for people: Markdown whose quotations are neutralised. */
export function toolWords(tool: ToolWork): string {
  switch (tool.kind) {
    case "nixos-rebuild":
    case "darwin":
      return `${tool.kind} with ${code(tool.configuration, 80)}`;
    case "deploy-rs":
      return `deploy-rs with the node ${code(tool.node, 80)}, profile ${code(tool.profile, 80)}`;
    case "colmena":
      return `colmena with the node ${code(tool.node, 80)}`;
    case "clan":
      return `clan with the machine ${code(tool.machine, 80)}`;
    case "krops": {
      const { attribute, build } = tool;
      const local = build.local === null ? "" : `, after ${code(build.local, 120)} has built here`;
      return `krops with ${code(attribute, 80)} of ${code(build.krops, 120)}${local}`;
    }
    case "kubernetes": {
      const { entry, prune } = tool;
      const where = entry.kind === "file" ? ` of ${code(entry.file, 120)}` : "";
      const deletes = prune ? ", **and deletes what the commit has not**" : "";
      return `the deployment script ${code(entry.attribute, 120)}${where}${deletes}`;
    }
    case "script":
      return `the command ${code(tool.argv.join(" "), 200)}`;
  }
}
