import { readFileSync } from "node:fs";
import { describe, expect, it } from "vitest";
import { destructiveSettings } from "../../../src/core/krops/destructive.ts";
import { kropsNotice, type KropsTree } from "../../../src/core/krops/notice.ts";
import { parametersOf, sharedChange } from "../../../src/core/krops/shared.ts";

const read = (path: string): string =>
  readFileSync(new URL(`../../../nix/examples/fleet/${path}`, import.meta.url), "utf8");
const tree = (changes: Partial<KropsTree> = {}): KropsTree => ({
  krops: { path: "example-krops.nix", text: read("example-krops.nix") },
  build: { path: "example-build-local.nix", text: read("example-build-local.nix") },
  folders: ["example-machine"],
  shared: read("config/shared.nix"),
  example: read("config/machines/example-machine/configuration.nix"),
  config: [],
  declared: [],
  ...changes,
});

/** The two ways of bringing extensions: in place of those that people installed, or beside them. */
const OPTION_1 = `{
  systemd.services.lnbits.preStart = ''
    rm -rf /var/lib/lnbits/extensions
    ln -s /var/src/lnbits-extensions /var/lib/lnbits/extensions
    # rsync -a --delete /var/src/lnbits-extensions/ /var/lib/lnbits/extensions/
  '';
}`;
const OPTION_2 = `{
  # systemd.tmpfiles.rules = [ "R /var/lib/lnbits/extensions" ];
  systemd.services.lnbits.preStart = ''
    # rm -rf /var/lib/lnbits/extensions
    rsync -a /var/src/lnbits-extensions/ /var/lib/lnbits/extensions/
  '';
}`;

describe("settings that delete (KRO-9)", () => {
  it.each([
    [OPTION_1, ["removes whole folders"]],
    [OPTION_2, []],
    [
      '{ systemd.tmpfiles.rules = [ "L+ /var/lib/lnbits/extensions - - - - /var/src/x" "d /var/lib/a 0755" ]; }',
      ["puts something in place of what is there, or removes it"],
    ],
    [
      "{ script = ''rsync -a --delete /var/src/x/ /var/lib/x/''; }",
      ["deletes what is not in its source"],
    ],
  ])("of %s", (text, what) => {
    expect(destructiveSettings([{ path: "a.nix", text }]).map((one) => one.what)).toEqual(what);
  });
});

describe("what a pull request is told (KRO-2, KRO-3, KRO-13)", () => {
  it("is nothing where nothing drifted", () => {
    expect(kropsNotice(tree(), tree())).toBe("");
    expect(kropsNotice(null, tree())).toBe("");
  });

  it("is the place that lacks a machine, and that templates are all that was looked at", () => {
    const text = read("example-krops.nix").replace("inherit example-machine;", "");
    const krops = { path: "example-krops.nix", text };
    const said = kropsNotice(tree(), tree({ krops }));
    expect(said).toContain("`example-machine` is missing in `example-krops.nix` under `inherit`");
    expect(said).toContain("committed templates");
    expect(kropsNotice(tree(), tree({ folders: [] }))).toContain(
      "`config/machines/example-machine`",
    );
    const folders = ["example-machine", "old-machine"];
    const drifted = kropsNotice(tree({ folders }), tree({ folders }));
    expect(drifted).toContain("`old-machine` is missing in `example-krops.nix` as an attribute");
    expect(drifted).toContain("committed templates");
  });

  it("is a checklist of every place for a machine that is new", () => {
    const said = kropsNotice(
      tree(),
      tree({ folders: ["example-machine", "machine7"], declared: ["machine7"] }),
    );
    expect(said).toContain("`machine7` is new");
    expect(said).toContain("- [x] as the folder `config/machines/machine7`");
    expect(said).toContain("- [ ] in `example-krops.nix` under `inherit`");
    expect(said).toContain("- [ ] in `example-build-local.nix` as an attribute");
    expect(said).toContain("- [x] under `machines` of `.github/snowcat.yml`");
    expect(said).toContain("`/var/src/.populate`");
    expect(said).not.toContain("machine7` is missing");
  });

  it("is a shared parameter that the template does not show", () => {
    const shared = "{ domain, mail }:\n{ inherit domain mail; }\n";
    const said = kropsNotice(tree(), tree({ shared }));
    expect(said).toContain("`mail` is new");
    expect(said).toContain("does not give `mail`");
    const example =
      'let domain = "example.org"; mail = "a@example.org"; in import <config-shared> { inherit domain mail; }';
    expect(kropsNotice(tree(), tree({ shared, example }))).toBe("");
  });

  it("is a setting that deletes what people have installed, where it is new (KRO-9)", () => {
    const config = [{ path: "config/lnbits.nix", text: OPTION_1 }];
    const said = kropsNotice(tree(), tree({ config }));
    expect(said).toContain("`config/lnbits.nix` newly removes whole folders");
    expect(said).toContain("`rm -rf /var/lib/lnbits/extensions`");
    expect(kropsNotice(tree({ config }), tree({ config }))).toBe("");
    const other = [{ path: "config/lnbits.nix", text: OPTION_2 }];
    expect(kropsNotice(tree({ config }), tree({ config: other }))).toBe("");
  });

  it("shows what an attacker wrote as code only", () => {
    const folders = ["example-machine", "a`<img src=x>@everyone"];
    const said = kropsNotice(tree({ folders }), tree({ folders }));
    expect(said).not.toContain("img");
  });
});

describe("parameters of the shared configuration", () => {
  it.each([
    ["{ domain }: { }", [["domain", true]]],
    ["domain: { }", [["domain", true]]],
    [
      "# words\n{ domain, mail ? { a = [ 1 2 ]; }.a, ... }@args:\n{ config, pkgs, ... }: { }",
      [
        ["domain", true],
        ["mail", false],
      ],
    ],
    ["args@{ domain }: { }", [["domain", true]]],
    ["{ a = 1; }", null],
    ["", null],
  ])("of %s", (text, expected) => {
    const found = parametersOf(text);
    expect(found?.map(({ name, required }) => [name, required]) ?? null).toEqual(expected);
  });

  it("are compared only where the template stayed as it was", () => {
    const was = { shared: "{ domain, old }: { }", example: "{ domain = 1; old = 2; }" };
    const now = { shared: "{ domain, mail ? 1 }: { }", example: was.example };
    expect(sharedChange(was, now)).toEqual({ added: ["mail"], removed: ["old"], notShown: [] });
    expect(sharedChange(was, { ...now, example: "{ domain = 1; }" })).toBeNull();
    expect(sharedChange(null, now)).toBeNull();
  });
});
