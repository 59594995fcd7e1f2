import type { ToolWork } from "../../../protocol/tool.ts";
import { clan } from "./clan/index.ts";
import { colmena } from "./colmena/index.ts";
import { deployRs } from "./deploy-rs/index.ts";
import { krops } from "./krops/index.ts";
import type { MethodModule } from "./method.ts";
import { nixosRebuild } from "./nixos-rebuild/index.ts";
import { script } from "./script/index.ts";

/** Null: there is no module that the engine drives; a cluster is deployed by an engine of its own. */
export function methodModule(kind: ToolWork["kind"]): MethodModule | null {
  switch (kind) {
    case "clan":
      return clan;
    case "colmena":
      return colmena;
    case "deploy-rs":
      return deployRs;
    case "krops":
      return krops;
    case "nixos-rebuild":
      return nixosRebuild;
    case "script":
      return script;
    case "darwin":
    case "kubernetes":
      return null;
  }
}
