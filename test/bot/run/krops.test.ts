import { describe, expect, it } from "vitest";
import { asked, key, notices } from "./deploying.ts";
import { BASE, evaluating, HEAD, MERGE } from "./harness.ts";
import type { Neighbours } from "./neighbours.ts";

const CONFIGURATION = "machines: { machine1: { method: krops } }\n";
const krops = `let deploy = import ./nix/krops.nix; example-machine = deploy { };
in { inherit example-machine; all = [ example-machine ]; }`;
const build = `let buildForMachine = import ./nix/build-local.nix;
in { example-machine = buildForMachine "example-machine"; }`;
const TEMPLATE = "config/machines/example-machine/configuration.nix";

function committed(neighbours: Neighbours): void {
  neighbours.policy = CONFIGURATION;
  neighbours.proposed = CONFIGURATION;
  for (const sha of [BASE, MERGE]) {
    neighbours.others[`${sha}:example-krops.nix`] = krops;
    neighbours.others[`${sha}:example-build-local.nix`] = build;
    neighbours.others[`${sha}:config/shared.nix`] = "{ domain }: { }";
    neighbours.others[`${sha}:${TEMPLATE}`] = "import <config-shared> { domain = 1; }";
    neighbours.folders[`${sha}:config/machines`] = ["example-machine"];
  }
}

describe("a pull request of a krops repository (KRO-2, KRO-13)", () => {
  it("is told what drifted by the committed templates, and what a new machine needs", () =>
    evaluating(
      {},
      async ({ neighbours, pass }) => {
        await pass();
        const said = neighbours.sections.get("krops") ?? "";
        expect(said).toContain("`machine7` is new");
        expect(said).toContain("- [ ] in `example-krops.nix` as an attribute");
        expect(said).toContain("`mail` is new");
        expect(said).toContain("committed templates");
        expect(said).toContain("`config/lnbits.nix` newly removes whole folders");
      },
      (neighbours) => {
        committed(neighbours);
        neighbours.others[`${MERGE}:config/shared.nix`] = "{ domain, mail }: { }";
        neighbours.folders[`${MERGE}:config`] = ["lnbits.nix", "machines"];
        neighbours.others[`${MERGE}:config/lnbits.nix`] =
          "{ preStart = ''\n rm -rf /var/lib/lnbits/extensions\n''; }";
        neighbours.folders[`${MERGE}:config/machines`] = ["example-machine", "machine7"];
      },
    ));

  it("is told nothing where nothing drifted, and what was said before goes", () =>
    evaluating(
      {},
      async ({ neighbours, pass }) => {
        await pass();
        expect(neighbours.sections.get("krops")).toBeNull();
      },
      committed,
    ));

  it("waits for nothing of it: GitHub's silence keeps no run", () =>
    evaluating(
      {},
      async ({ neighbours, pass }) => {
        await pass();
        expect(neighbours.queued).toMatchObject([{ kind: "evaluate" }]);
        expect(neighbours.sections.has("krops")).toBe(false);
        neighbours.failing.delete("entries");
        await pass(60_000);
        expect(neighbours.sections.has("krops")).toBe(true);
      },
      (neighbours) => {
        committed(neighbours);
        neighbours.failing.add("entries");
      },
    ));

  it("is asked for nothing where no machine is krops'", () =>
    evaluating({}, async ({ neighbours, pass }) => {
      await pass();
      expect(neighbours.calls).not.toContain("entries");
      expect(neighbours.sections.has("krops")).toBe(false);
    }));
});

describe("a plan of machines that krops deploys (KRO-9)", () => {
  it("says which settings delete data there, by the text of the commit", () =>
    evaluating(
      asked({ kind: "plan", targets: ["machine1"], force: false }),
      async (bench) => {
        await bench.pass();
        expect(await notices(bench)).toContain(
          "config/lnbits.nix removes whole folders on machines that are deployed by krops: rm -rf /var/lib/lnbits/extensions",
        );
        expect(await bench.run.view()).toMatchObject({ state: "finished", conclusion: "success" });
      },
      (neighbours) => {
        committed(neighbours);
        neighbours.machines = [{ name: "machine1", hostKey: key("machine1"), online: true }];
        neighbours.folders[`${HEAD}:config`] = ["lnbits.nix", "machines", "nginx.nix"];
        neighbours.others[`${HEAD}:config/nginx.nix`] = "{ }";
        neighbours.others[`${HEAD}:config/lnbits.nix`] =
          "{ preStart = ''\n rm -rf /var/lib/lnbits/extensions\n''; }";
      },
    ));
});
