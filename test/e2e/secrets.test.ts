import { randomBytes } from "node:crypto";
import { spawn } from "node:child_process";
import { chmod, mkdtemp, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, expect, test } from "vitest";
import { derivation, flake } from "../demo/scenarios/flakes.ts";
import { eventually } from "../demo/stage.ts";
import { filesWith } from "./on-disk.ts";
import { linkOf, RunPage, shown } from "./run-page.ts";
import { onStack } from "./suite.ts";

/** What must stay inside, and what anybody may read. */

const secret = `s3cr3t${randomBytes(12).toString("hex")}`;
let folder = "";

onStack(
  "secrets and pages",
  async () => {
    folder = await mkdtemp(join(tmpdir(), "snowcat-secrets-"));
    // The agent reads it as its own user.
    await writeFile(join(folder, "secrets"), `${secret}\n`);
    await chmod(folder, 0o755);
    return { redactFiles: [join(folder, "secrets")] };
  },
  (at) => {
    afterAll(async () => {
      await rm(folder, { recursive: true, force: true });
    });

    test("a private repository is fetched with a token that is in no argument, environment, log, check or file afterwards", async () => {
      const { stage, stack } = at;
      const watch = tokensInProcesses();
      const project = await stage.project(
        "private",
        { "flake.nix": flake({ a: derivation("private-a", "echo a > $out") }) },
        { private: true },
      );
      const anonymous = await fetch(
        `${stage.github.cloneUrl(project.repository)}/info/refs?service=git-upload-pack`,
      );
      expect(anonymous.status).not.toBe(200);
      const head = await project.push("main", {
        "flake.nix": flake({
          a: derivation("private-a", "echo private words; echo a > $out"),
          broken: derivation("private-b", "echo more private words; exit 3"),
        }),
      });
      const checks = await project.judged(head);
      const seen = await watch.end();
      expect(checks.get("snowcat / packages.x86_64-linux.broken")).toBe("failure");
      expect(seen.looks).toBeGreaterThan(20);
      expect(seen.found).toEqual([]);
      // A watcher that sees nothing proves nothing: this one sees a token where there is one.
      expect(await tokenOfOwnProcess()).toBe(true);
      const token = /ghs_\d+_[\w-]+/u;
      expect(shown(project, head)).not.toMatch(token);
      expect([...stack.runner.lines, ...stack.worker.log].join("\n")).not.toMatch(token);
      const left = (
        await filesWith(
          [join(stack.runner.stateDirectory, "agent"), join(stack.runner.stateDirectory, "store")],
          "ghs_",
        )
      ).filter((path) => !path.includes("/nix/store/"));
      expect(left).toEqual([]);

      const link = linkOf(project, head);
      const answers = [
        link,
        `${link}/logs/${stack.runner.jobs().at(-1)?.job}/1/job`,
        `${link}/logs/${stack.runner.jobs().at(-1)?.job}/1/job/raw`,
        link.replace(/\d+$/u, "999"),
      ];
      const pages = await Promise.all(
        answers.map(async (url) => {
          const response = await fetch(url);
          return { status: response.status, text: await response.text() };
        }),
      );
      expect(pages.map(({ status }) => status)).toEqual([404, 404, 404, 404]);
      for (const { text } of pages) expect(text).not.toContain("private");
      // No difference between what is hidden and what is not there.
      expect(pages[0]?.text).toBe(pages[3]?.text);
    });

    test("a secret of the operator, split over writes, encoded, in log, verdict and evaluation, is nowhere", async () => {
      const { stage, stack } = at;
      const [first, second] = [secret.slice(0, 11), secret.slice(11)];
      const encoded = Buffer.from(secret).toString("base64");
      const script = `echo words before; printf 'in two: ${first}'; sleep 0.2; printf '${second}\\n'; echo 'whole: '${first}${second}; echo 'coded: '${encoded.slice(0, 9)}${encoded.slice(9)}; echo words after; exit 3`;
      const hidden = `"${first}" + "${second}"`;
      const project = await stage.project("redacted", {
        "flake.nix": flake({ fine: derivation("redacted-fine", "echo fine > $out") }),
      });
      const head = await project.push("main", {
        "flake.nix": flake({
          loud: derivation("redacted-loud", script),
          thrown: `throw ("it is " + ${hidden})`,
          traced: `builtins.trace ("traced: " + ${hidden}) (${derivation("redacted-traced", "echo ok > $out")})`,
        }),
      });
      const checks = await project.judged(head);
      const page = await RunPage.of(project, head);
      const logs = await page.logText();
      expect(logs).toContain("words before");
      expect(logs).toContain("words after");
      expect(logs).toContain("in two: ***");
      expect(logs).toContain("whole: ***");
      expect(checks.text("snowcat / packages.x86_64-linux.loud")).toContain("whole: ***");
      expect(checks.text("snowcat / evaluation")).toContain("it is ***");
      for (const text of [
        logs,
        page.html,
        shown(project, head),
        stack.runner.lines.join("\n"),
        stack.worker.log.join("\n"),
      ]) {
        expect(text).not.toContain(secret);
        expect(text).not.toContain(encoded);
      }
      expect(
        await filesWith(
          [stack.worker.stateDirectory, join(stack.runner.stateDirectory, "agent")],
          secret,
        ),
      ).toEqual([]);
    });

    test("pages of a public repository: strict headers, logs as text, the lines of a failed build", async () => {
      const { stage } = at;
      const project = await stage.project("public", {
        "flake.nix": flake({ fine: derivation("public-fine", "echo fine > $out") }),
      });
      const head = await project.push("main", {
        "flake.nix": flake({
          fine: derivation("public-fine", "echo fine > $out"),
          bad: derivation(
            "public-bad",
            "echo '<script>alert(1)</script> & more'; echo last words; exit 3",
          ),
        }),
      });
      await project.judged(head);
      const page = await RunPage.of(project, head);
      const log = page.logOf("packages.x86_64-linux.bad");
      expect(page.attributes).toEqual({
        "packages.x86_64-linux.fine": "succeeded",
        "packages.x86_64-linux.bad": "failed",
      });
      for (const url of [page.url, log, `${log}/raw`]) {
        const response = await fetch(url);
        const text = await response.text();
        expect(response.status).toBe(200);
        expect(response.headers.get("content-security-policy")).toMatch(/^default-src 'none';/u);
        expect(response.headers.get("content-security-policy")).not.toMatch(/unsafe|\*/u);
        expect(response.headers.get("x-content-type-options")).toBe("nosniff");
        expect(response.headers.get("referrer-policy")).toBe("no-referrer");
        if (url.endsWith("/raw")) {
          expect(response.headers.get("content-type")).toMatch(/^text\/plain/u);
          expect(text).toContain("<script>alert(1)</script> & more\nlast words\n");
        } else if (url === log) {
          expect(text).toContain("&lt;script&gt;alert(1)&lt;/script&gt; &amp; more\nlast words");
          expect(text).not.toContain("<script>alert");
        }
      }
    });

    test("a log is read while it is written; a superseding push ends the builder within 12 s", async () => {
      const { stage } = at;
      const endless = derivation("endless", "echo live-output; while :; do sleep 1; done");
      const project = await stage.project("live", {
        "flake.nix": flake({ fine: derivation("live-fine", "echo fine > $out") }),
      });
      const head = await project.push("work", {
        "flake.nix": flake({ endless, more: derivation("live-more", "echo more > $out") }),
      });
      await project.openPull("work", "Takes for ever");
      await stage.untilBuilder("live-output");
      let page = await RunPage.of(project, head);
      await eventually(async () => {
        page = await RunPage.of(project, head);
        return (await openLogs(page)).some((text) => text.includes("live-output"));
      }, "the log of the running build is to be read");
      const began = performance.now();
      await project.push("work", {
        "flake.nix": flake({ more: derivation("live-more", "echo more > $out") }),
      });
      await eventually(
        () => project.checks(head).get("snowcat") === "cancelled",
        "the old run is cancelled",
      );
      await stage.expectNoBuilder("live-output");
      expect(performance.now() - began).toBeLessThan(15_000);
    });
  },
);

/** Logs of a run's page that are not closed. */
async function openLogs(page: RunPage): Promise<string[]> {
  const open = await Promise.all(
    page.logs.map(async (log) => {
      const response = await fetch(`${log}/raw`);
      const text = await response.text();
      return response.headers.get("x-snowcat-closed") === "no" ? [text] : [];
    }),
  );
  return open.flat();
}

const TOKEN = /gh[a-z]_[\w-]{20,}/u;

/** Looks at argument lists and environments of every process, over and over, until `end`. */
function tokensInProcesses() {
  let stop = false;
  const found = new Set<string>();
  let looks = 0;
  const ended = (async () => {
    while (!stop) {
      for (const text of await everyProcess())
        if (TOKEN.test(text)) found.add(text.replaceAll("\0", " ").slice(0, 300));
      looks += 1;
    }
  })();
  return {
    async end() {
      stop = true;
      await ended;
      return { looks, found: [...found] };
    },
  };
}

async function everyProcess(): Promise<string[]> {
  const pids = (await readdir("/proc")).filter((name) => /^\d+$/u.test(name));
  const texts = await Promise.all(
    pids.flatMap((pid) =>
      ["cmdline", "environ"].map((file) =>
        readFile(`/proc/${pid}/${file}`, "utf8").catch(() => ""),
      ),
    ),
  );
  return texts;
}

async function tokenOfOwnProcess(): Promise<boolean> {
  const child = spawn("/bin/sh", ["-c", "read line", "ghs_1_planted-for-the-watcher-to-see"], {
    stdio: ["pipe", "ignore", "ignore"],
  });
  try {
    return (await everyProcess()).some((text) => TOKEN.test(text));
  } finally {
    child.stdin.end("\n");
  }
}
