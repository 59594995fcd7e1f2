import type { ToolWork } from "../../../../protocol/tool.ts";

export type KropsTool = Extract<ToolWork, { kind: "krops" }>;
