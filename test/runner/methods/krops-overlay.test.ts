import { rename, rm, symlink } from "node:fs/promises";
import { join } from "node:path";
import { afterEach, describe, expect, it } from "vitest";
import { krops } from "../../../src/runner/deploy/methods/krops/index.ts";
import type { KropsSettings } from "../../../src/runner/deploy/methods/krops/settings.ts";
import { kropsBench, type KropsBench, type KropsShape } from "./krops-place.ts";

let bench: KropsBench;
const start = async (shape: KropsShape = {}): Promise<KropsBench> =>
  (bench = await kropsBench(shape));
afterEach(async () => await bench.close());

describe("what has to be there before (KRO-3, KRO-5)", () => {
  it("the sentinel", async () => {
    const { place } = await start();
    await rm(join(bench.sources, ".populate"));
    expect(await krops.check(place)).toMatchObject({
      kind: "missing",
      missing: [expect.stringContaining("/var/src/.populate is not on the machine")],
    });
  });

  it.each(["flake.nix", "flake.lock", "uv.lock"])("%s of a locked source", async (file) => {
    const { place } = await start();
    await rm(join(bench.folder, "outside/lnbits", file));
    expect(await krops.check(place)).toEqual({
      kind: "missing",
      missing: [`lnbits/${file} is not there`],
    });
    expect(bench.called()).toEqual([]);
  });

  it("links that lead somewhere, each named", async () => {
    const { place } = await start();
    await rename(join(bench.folder, "outside/lnbits"), join(bench.folder, "outside/moved"));
    expect(await krops.check(place)).toEqual({
      kind: "missing",
      missing: [`overlay: a link that leads nowhere: lnbits → ${bench.folder}/outside/lnbits`],
    });
    expect(bench.called()).toEqual([]);
  });

  it("a link of the checkout itself that leads nowhere", async () => {
    const { place } = await start();
    await symlink("../web-app", join(bench.folder, "tree/web-app"));
    expect(await krops.check(place)).toMatchObject({
      kind: "missing",
      missing: [expect.stringContaining("./web-app")],
    });
  });

  it("krops.nix and build-local.nix", async () => {
    const { place } = await start();
    await rm(join(bench.folder, "overlay/build-local.nix"));
    expect(await krops.check(place)).toMatchObject({
      kind: "missing",
      missing: [expect.stringContaining("build-local.nix is neither")],
    });
  });

  it("a key that opens a shell", async () => {
    const { place } = await start({ program: "installed" });
    expect(await krops.check(place)).toMatchObject({ kind: "missing" });
  });
});

describe("the overlay (KRO-3, KRO-11)", () => {
  it("brings this machine's files and no other's", async () => {
    const { place } = await start();
    await krops.check(place);
    expect(await bench.read("tree/machine-specific/machine1/env/.env")).toBe("SITE=machine1\n");
    await expect(bench.read("tree/machine-specific/machine2/env/.env")).rejects.toThrow("ENOENT");
    await expect(bench.read("tree/config/machines/machine2/configuration.nix")).rejects.toThrow(
      "ENOENT",
    );
    expect(await bench.read("tree/README.md")).toBe("# machines\n");
    expect(bench.said).toContain(
      "overlay: not brought: machine-specific/machine2: another machine's",
    );
  });

  it("does not bring another machine's by a link", async () => {
    const { place } = await start();
    await symlink(
      "../machine2/env",
      join(bench.folder, "overlay/machine-specific/machine1/theirs"),
    );
    await krops.check(place);
    await expect(bench.read("tree/machine-specific/machine1/theirs/.env")).rejects.toThrow(
      "ENOENT",
    );
  });

  it("replaces nothing that was approved", async () => {
    const { place } = await start();
    await bench.write("overlay/config/shared.nix", "{ domain }: { evil = true; }\n");
    expect(await krops.check(place)).toMatchObject({
      kind: "failed",
      why: expect.stringContaining("config/shared.nix"),
    });
    expect(await bench.read("tree/config/shared.nix")).not.toContain("evil");
  });

  it("is refused where a machine uses another's folder (KRO-2)", async () => {
    const { place } = await start();
    const text = await bench.read("overlay/krops.nix");
    await bench.write(
      "overlay/krops.nix",
      text.replace("source = ./config/machines/machine1;", "source = ./config/machines/machine2;"),
    );
    expect(await krops.check(place)).toMatchObject({
      kind: "failed",
      why: expect.stringContaining("machine2 (./config/machines/machine2)"),
    });
  });

  it("is told where names drifted (KRO-2)", async () => {
    const { place } = await start();
    const text = await bench.read("overlay/krops.nix");
    await bench.write(
      "overlay/krops.nix",
      text.replace("inherit machine1 machine2", "inherit machine1"),
    );
    expect(await krops.check(place)).toEqual({ kind: "done" });
    expect(bench.said.join("\n")).toMatch(
      /names: machine2 is named in .* and not in krops\.nix \(inherit\)/u,
    );
  });
});

describe("what only one machine may have (KRO-11)", () => {
  const age = (folder: string): Partial<KropsSettings> => ({
    age: {
      program: `${folder}/age`,
      identityFile: `${folder}/identity`,
      files: [{ from: "secrets/machine1.age", to: "machine-specific/machine1/secret.env" }],
    },
  });
  /** Whoever has the identity reads a file that begins with its name. */
  const AGE = `#!/bin/sh
[ "$1 $2" = "--decrypt --identity" ] && [ -r "$3" ] || exit 2
read -r head
[ "$head" = "for $(cat "$3")" ] || { echo "no identity matched any of the recipients" >&2; exit 1; }
cat
`;

  it("is masked in whatever is told: secret values of environment files, and no words that others need", async () => {
    const { place, masked } = await start();
    await bench.write(
      "overlay/machine-specific/machine1/env/.env",
      [
        "SITE=machine1",
        "export VITE_KEY='key of machine 1'",
        "VITE_URL=https://lnbits.machine1.example.org/api/v1",
        "NODE_ENV=production",
        "ADMIN=5f2c9a0be1d34c7f",
        "API_KEY=machine1",
        "PASSWORD=short",
        "",
      ].join("\n"),
    );
    expect(await krops.check(place)).toEqual({ kind: "done" });
    expect(masked).toEqual(["key of machine 1", "5f2c9a0be1d34c7f"]);
  });

  it("is decrypted by the runner's identity, which nothing in the place sees", async () => {
    const { place, masked } = await start({ settings: age });
    await bench.write("age", AGE, 0o755);
    await bench.write("identity", "runner");
    await bench.write("tree/secrets/machine1.age", "for runner\nPASSWORD=correct-horse\n");
    expect(await krops.check(place)).toEqual({ kind: "done" });
    expect(await bench.read("tree/machine-specific/machine1/secret.env")).toBe(
      "PASSWORD=correct-horse\n",
    );
    expect(masked).toEqual(expect.arrayContaining(["correct-horse", "PASSWORD=correct-horse"]));
    expect(bench.said.join("\n")).not.toContain("correct-horse");
  });

  it("that is for somebody else ends the deploy, with age's own reason", async () => {
    const { place } = await start({ settings: age });
    await bench.write("age", AGE, 0o755);
    await bench.write("identity", "runner");
    await bench.write("tree/secrets/machine1.age", "for another\nPASSWORD=x\n");
    expect(await krops.check(place)).toMatchObject({
      kind: "failed",
      why: expect.stringMatching(
        /secrets\/machine1\.age cannot be decrypted.*no identity matched/u,
      ),
    });
  });

  it("that is not there is named", async () => {
    const { place } = await start({ settings: age });
    expect(await krops.check(place)).toEqual({
      kind: "missing",
      missing: ["the secret secrets/machine1.age is not there"],
    });
  });
});

describe("what the log warns of (KRO-9)", () => {
  it("is a setting of this machine that deletes what people have installed", async () => {
    const { place } = await start();
    await bench.write(
      "overlay/config/machines/machine1/configuration.nix",
      "{ systemd.services.lnbits.preStart = ''\n  rm -rf /var/lib/lnbits/extensions\n''; }\n",
    );
    expect(await krops.check(place)).toEqual({ kind: "done" });
    expect(bench.said.join("\n")).toContain(
      "warning: config/machines/machine1/configuration.nix removes whole folders: rm -rf /var/lib/lnbits/extensions",
    );
  });
});
