import { describe, expect, test } from "vitest";
import type { Command, CommandLine } from "../../../src/core/command/command.ts";
import { argumentsOf } from "../../../src/core/command/grammar.ts";
import { readCommands } from "../../../src/core/command/read.ts";
import { declarationOf, declarations } from "../../../src/core/command/registry.ts";

const SHA = "0123456789abcdef".repeat(3).slice(0, 40);
const lines = (body: string) => readCommands(body).lines;
const only = (body: string): CommandLine | undefined => {
  const found = lines(body);
  expect(found.length, body).toBeLessThanOrEqual(1);
  return found[0];
};
const command = (body: string): Command | null => {
  const line = only(body);
  return line?.kind === "command" ? line.command : null;
};
const problem = (body: string): string | null => {
  const line = only(body);
  return line?.kind === "problem" ? line.problem : null;
};

describe("a line of its own", () => {
  test("with arguments, flags and a SHA", () => {
    expect(command("/help")).toEqual({ name: "help", arguments: [], flags: [] });
    expect(command("/build\tchecks.*  packages.x86_64-linux.app ")).toEqual({
      name: "build",
      arguments: ["checks.*", "packages.x86_64-linux.app"],
      flags: [],
    });
    expect(command(`/deploy tag:web,canary --force role:db ${SHA}`)).toEqual({
      name: "deploy",
      arguments: ["tag:web,canary", "role:db", SHA],
      flags: ["force"],
    });
    expect(command("/lock web1  the disk is bad -  see #12")).toEqual({
      name: "lock",
      arguments: ["web1", "the disk is bad - see #12"],
      flags: [],
    });
    expect(command('/build packages.x86_64-linux."a \\" b" checks.*')?.arguments).toEqual([
      'packages.x86_64-linux."a \\" b"',
      "checks.*",
    ]);
  });

  test("several, in their order, between what else is said", () => {
    expect(
      lines(`thanks!\n/retry\r\nand\r/ok-to-test ${SHA}\n\n/biuld\n/etc/passwd\nx /build`).map(
        (line) => [line.line, line.kind === "command" ? line.command.name : line.meant],
      ),
    ).toEqual([
      [2, "retry"],
      [4, "ok-to-test"],
      [6, "build"],
    ]);
  });

  test.each([
    "x /build",
    " /build",
    "\t/build",
    "//build",
    "/build/x",
    "/build\\",
    "`/build`",
    "* /build",
    "\\/build",
    "／build",
    "/",
    "/ build",
  ])("%j is none", (body) => {
    expect(lines(body)).toEqual([]);
  });
});

describe("the full SHA", () => {
  test("is what an approval names, and nothing less", () => {
    expect(command(`/ok-to-test ${SHA}`)?.arguments).toEqual([SHA]);
    expect(command(`/ok-to-test ${SHA}${SHA.slice(0, 24)} \r\n`)?.arguments[0]).toHaveLength(64);
    for (const typed of ["", SHA.slice(0, 12), SHA.slice(0, 39), `${SHA}0`, SHA.toUpperCase()])
      expect(problem(`/ok-to-test ${typed}`), typed).toMatch(
        /^`\/ok-to-test`: It needs the full SHA/u,
      );
    expect(problem(`/ok-to-test ${SHA} please`)).toMatch(/needs the full SHA/u);
    expect(problem(`/ok-to-test please ${SHA}`)).toMatch(/one argument too many/u);
    expect(problem("/approve HEAD")).toMatch(/It needs the full SHA of the commit\. Usage/u);
  });

  test("is told apart from what a command is about", () => {
    const of = (body: string) => {
      const read = command(body);
      return read === null ? null : argumentsOf(declarationOf(read.name), read.arguments);
    };
    expect(of(`/build a b ${SHA}`)).toEqual({ values: ["a", "b"], sha: SHA });
    expect(of(`/build ${SHA}`)).toEqual({ values: [], sha: SHA });
    expect(of("/build a")).toEqual({ values: ["a"], sha: null });
    expect(of(`/lock ${SHA}`)).toEqual({ values: [SHA], sha: null });
  });
});

describe("what is wrong is said", () => {
  test.each<[string, RegExp]>([
    ["/deploy", /`<targets>` is missing/u],
    ["/rollback", /`<machine>` is missing/u],
    ["/rollback web1 zero", /`zero` is not the number of a generation, or `last-good`/u],
    ["/rollback web1 1 2", /`2` is one argument too many/u],
    ["/rollback web*", /`web\*` is not a machine's name/u],
    ["/deploy web1 -f", /There is no flag `-f`/u],
    ["/deploy web1 --forec", /There is no flag `--forec`. Did you mean `--force`\?/u],
    ["/build --force", /`--force` begins with a dash, and the command takes no flags/u],
    ["/build -- a", /`--` begins with a dash/u],
    ["/lock web1 --force now", /`--force` begins with a dash/u],
    ["/deploy tag:", /`tag:` is not a machine's name, a glob/u],
    ["/deploy $(reboot)", /`\$\(reboot\)` is not a machine's name/u],
    ["/deploy web1;reboot", /`web1;reboot` is not/u],
    ["/deploy ../../etc", /is not a machine's name/u],
    ["/bump inventree --version", /begins with a dash/u],
    ["/cancel deploy", /`deploy` is not the number of a run, `evaluate` or `build`/u],
    ['/build "a', /A quotation mark is not closed/u],
    ['/build a"b" "', /A quotation mark is not closed/u],
    [`/build ${"a ".repeat(65)}`, /It takes 64 arguments at most/u],
    [`/build ${"a".repeat(2_001)}`, /longer than 2000 characters/u],
  ])("%s", (body, why) => {
    expect(problem(body)).toMatch(why);
    expect(problem(body)).toMatch(/Usage: `\/[a-z-]+/u);
  });

  test("near misses get the command that was meant, and nothing is done", () => {
    const meant = (body: string) => {
      const line = only(body);
      return line?.kind === "problem" ? line.meant : line;
    };
    expect(meant("/biuld")).toBe("build");
    expect(meant("/Build a")).toBe("build");
    expect(meant("/DEPLOY web1")).toBe("deploy");
    expect(meant("/ok_to_test x")).toBe("ok-to-test");
    expect(meant("/oktotest x")).toBe("ok-to-test");
    expect(meant("/depoly web1")).toBe("deploy");
    expect(meant("/dерloy web1")).toBe("deploy");
    expect(meant("/rollbak web1")).toBe("rollback");
    expect(meant("/help!")).toBe("help");
    expect(meant("/plam")).toBe("plan");
  });

  test.each(
    "/etc/passwd /usr/bin /usr /etc /bin /tmp /var /opt /nix /home /root /dev /proc /sys /run /srv /mnt /lib /boot /media /nix/store/x /cc /assign /label /lgtm /close /merge /rebase /api/v1 /x /... /* /// /1 /me".split(
      " ",
    ),
  )("%s provokes no reply", (body) => {
    expect(lines(body)).toEqual([]);
    expect(lines(`${body} and more`)).toEqual([]);
  });
});

describe("what cannot be seen", () => {
  const HIDDEN = {
    "zero width space": "\u200b",
    "zero width joiner": "\u200d",
    "right-to-left override": "\u202e",
    "right-to-left isolate": "\u2067",
    "byte order mark": "\ufeff",
    "soft hyphen": "\u00ad",
    "no-break space": "\u00a0",
    "line separator": "\u2028",
    "Hangul filler": "\u3164",
    "variation selector": "\ufe0f",
    "tag letter": "\u{e0061}",
    NUL: "\u0000",
    escape: "\u001b",
    "form feed": "\f",
    "vertical tab": "\v",
    "next line": "\u0085",
    "lone surrogate": "\ud800",
  };
  test.each(Object.entries(HIDDEN))("%s in a command line is refused with its number", (_, c) => {
    const number = `U+${(c.codePointAt(0) ?? 0).toString(16).toUpperCase().padStart(4, "0")}`;
    const within = /\p{Zs}/u.test(c) ? `/deploy${c}web1` : `/dep${c}loy web1`;
    for (const body of [`/deploy web1${c}`, `/deploy ${c}web1`, `${c}/deploy web1`, within]) {
      expect(problem(body), body).toContain(number);
      expect(problem(body)).not.toContain(c);
    }
  });

  test("elsewhere it is nobody's business", () => {
    expect(lines("hello\u200b\n/etc\u200b/passwd\n\u202e/usr")).toEqual([]);
  });
});

describe("code, quotes and comments are not commands", () => {
  test.each([
    "```\n/build\n```",
    "~~~ sh\n/build\n```\n/build\n~~~",
    "````\n```\n/build\n````",
    "  ```sh\n/build\n   ```",
    "```\n/build",
    "> /build",
    ">/build",
    "   > /build",
    "<!-- /build -->",
    "<!--\n/build\n\n/build\n-->",
    "text <!-- a\n/build\n-->",
    "text <!-- a\n/build",
    "<pre>\n/build\n\n/build\n</pre>",
    "<blockquote>\n\n/build\n\n</blockquote>",
    "    /build",
  ])("%j", (body) => {
    expect(lines(body)).toEqual([]);
  });

  test.each([
    "```\nx\n```\n/build",
    "```\nx\n``\n````\n/build",
    "``` x ```\n/build",
    "`<!--`\n/build",
    "<!-- x -->\n/build",
    "<!-- x\n-->\n/build",
    "text <!-- a\n\n/build",
    "> quoted\n\n/build",
    "<pre>x</pre>\n/build",
    "<!-- a --> x <!-- b -->\n/build",
    "LGTM, see [x](https://example.org/y_z#a).\n/build",
    "- [x] a\n- b\n\n  more\n/build",
    "1. first\n   ```sh\n   x\n\n   y\n   ```\n2. second\n\n/build",
    "<details>\n<summary>log</summary>\n\n```\nx\n```\n\n</details>\n\n/build",
    "| a | b |\n|---|---|\n| `x` | y |\n\n/build",
    "On Friday eve wrote:\n> x\n> > y\n\n/build",
    "# Title\n/build",
    "---\n/build",
  ])("after %j they are again", (body) => {
    expect(command(body)?.name).toBe("build");
  });

  test("right below a quote it would be shown within it", () => {
    expect(problem("> quoted\n/build")).toMatch(/right below a quote.*empty line/u);
    expect(problem("> quoted\ntext\n/build")).toMatch(/right below a quote/u);
  });

  test.each([
    "a `b\n/build\n`",
    '<a title="\n/build\n">',
    '<a title=">\n/build\n">',
    '[a](x "\n/build\n")',
    '[a](x ")\n/build\n")',
    '[a]: x "\n/build\n"',
    "text <!-- a\n-->\n/build",
    "<div>\n/build\n</div>",
    "see \\`a`\n/build\n`",
  ])("in %j it may not be seen, and nothing is done", (body) => {
    expect(problem(body)).toMatch(/where it may not be seen\. Put an empty line/u);
  });

  test.each([
    "- ```\n  x\n  ```\n\n/build",
    "1. a\n   ```\n/build\n```\n/build",
    "<div>\n```\n</div>\n\n/build",
  ])("after %j nobody can tell, and nothing is done", (body) => {
    expect(problem(body)).toMatch(/Give it in a comment of its own/u);
  });

  test.each([
    "see `b` and ``c`d``,",
    'see <a title=">">x</a> <b>y</b> <!-- z -->',
    "[a](https://example.org/x) [b](x 'y') @ada a < b, 1 <2",
    "- [x] done [y]",
    'don\'t "quote"',
  ])("below %j it is seen", (above) => {
    expect(command(`${above}\n/build`)?.name).toBe("build");
  });
});

test("above ten commands none is done, and one line says so", () => {
  const ten = readCommands("/build\n".repeat(10));
  expect(ten).toMatchObject({ tooMany: false, lines: { length: 10 } });
  for (const count of [11, 1_000]) {
    const many = readCommands("hi\n" + "/build\n/biuld\n".repeat(count));
    expect(many).toEqual({
      tooMany: true,
      lines: [
        {
          kind: "problem",
          line: 2,
          problem: `The comment has ${2 * count} commands; 10 is the most, so none of them was done.`,
          meant: null,
        },
      ],
    });
  }
});

test("every command's example is one, and says what the command is about", () => {
  for (const { name, example, button } of declarations()) {
    expect(command(example)?.name).toBe(name);
    // GitHub's limits for buttons.
    expect(button?.identifier.length ?? 0).toBeLessThanOrEqual(20);
    expect(button?.label.length ?? 0).toBeLessThanOrEqual(20);
    expect(button?.description.length ?? 0).toBeLessThanOrEqual(40);
  }
});
