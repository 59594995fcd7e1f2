import { randomBytes } from "node:crypto";
import { chmod, mkdir, rm, writeFile } from "node:fs/promises";
import { createServer as createHttpServer } from "node:http";
import type { AddressInfo } from "node:net";
import { createServer } from "node:net";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import type { Isolation } from "../../../src/runner/isolation/index.ts";
import { describeIsolated, err, isolationForTest, out, scratch } from "./support.ts";

/** What no job may ever print. */
const word = `canary-${randomBytes(12).toString("hex")}`;

describeIsolated("a hostile job", () => {
  let place: Awaited<ReturnType<typeof isolationForTest>>;
  let isolation: Isolation;
  let port: number;
  let hits = 0;
  const server = createHttpServer((_request, answer) => {
    hits += 1;
    answer.end(word);
  });

  beforeAll(async () => {
    await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
    port = (server.address() as AddressInfo).port;
    // Everything but the canary's own port: what is refused is refused by address.
    place = await isolationForTest({ egress: ["*:80", "*:443", `*:${port}`] });
    isolation = place.isolation;
  });
  afterAll(async () => {
    await place.close();
    await new Promise((resolve) => server.close(resolve));
  });

  test("passes the preflight, so that what follows is refused for the right reason", async () => {
    expect(await isolation.preflight()).toEqual({
      ok: true,
      tried: expect.arrayContaining([expect.stringContaining("loopback")]) as unknown,
    });
  });

  test("reads neither the agent's key nor any file of the host, directly, by link or by Nix", async () => {
    const key = join(place.directory, "state/agent/key");
    // Outside /tmp, which every sandbox has its own of.
    const shared = await scratch("/var/tmp");
    const open = join(shared, "readable-by-all");
    await writeFile(key, word, { mode: 0o600 });
    await writeFile(open, word, { mode: 0o644 });
    await chmod(shared, 0o755);
    for (const path of [key, open]) {
      const result = await isolation.run({
        argv: [
          "/bin/sh",
          "-c",
          `echo began
           cat "$1"; ln -s "$1" link; cat link; cat "/proc/self/root$1"; cat "/proc/1/root$1"
           nix-instantiate --eval --expr "builtins.readFile $1"
           nix-instantiate --eval --expr "builtins.readFile ./link"
           mkdir flake && ln -s "$1" flake/text && echo '{ outputs = _: { text = builtins.readFile ./text; }; }' > flake/flake.nix
           nix eval "path:$PWD/flake#text"; nix eval --impure --expr "builtins.readFile \\"$1\\""
           echo ended`,
          "sh",
          path,
        ],
      });
      expect(out(result)).toBe("began\nended\n");
      expect(out(result) + err(result)).not.toContain(word);
      expect(err(result)).toContain("No such file or directory");
    }
    await rm(shared, { recursive: true });
  });

  test("sees no other job: not its directory, its processes, its environment", async () => {
    const victim = await isolation.openJob("victim");
    const attacker = await isolation.openJob("attacker");
    try {
      const started = Promise.withResolvers<void>();
      const stop = new AbortController();
      const running = victim.run({
        argv: [
          "/bin/sh",
          "-c",
          'echo "$WORD" > secret; cat "$1/token" > /dev/null; echo ready; exec sleep 1000',
          word,
          victim.secrets,
        ],
        env: { WORD: word },
        files: [{ name: "token", content: word }],
        signal: stop.signal,
        onStdout: () => started.resolve(),
      });
      await started.promise;
      const result = await attacker.run({
        argv: [
          "/bin/sh",
          "-c",
          'echo began; ls -A /run/secrets; cat "$1/secret"; ls "$1" "$1/.."; for p in /proc/[0-9]*; do cat $p/cmdline $p/environ; done | tr "\\0" "\\n"; id -u; echo ended',
          "sh",
          victim.outside,
        ],
      });
      stop.abort();
      expect((await running).cancelled).toBe(true);
      expect(out(result)).toContain("began");
      expect(out(result)).toContain("ended");
      expect(out(result) + err(result)).not.toContain(word);
      expect(out(result)).not.toContain("sleep");
      const ids = await Promise.all(
        [victim, attacker].map((job) => job.run({ argv: ["id", "-u"] })),
      );
      expect(new Set(ids.map(out)).size).toBe(2);
    } finally {
      await Promise.all([victim.dispose(), attacker.dispose()]);
    }
  });

  test("finds no socket to talk to: Docker's, the helper's, or any other of the host", async () => {
    const path = join(place.directory, "docker.sock");
    let connections = 0;
    const docker = createServer((socket) => {
      connections += 1;
      socket.end(word);
    });
    await new Promise<void>((resolve) => docker.listen(path, resolve));
    await chmod(path, 0o666);
    const script = `
      const { connect } = await import("node:net");
      for (const path of process.argv.slice(1)) {
        await new Promise((done) => connect(path, () => { console.log("reached", path); done(); }).on("error", (error) => { console.log(error.code); done(); }));
      }`;
    try {
      const result = await isolation.run({
        argv: [
          "/run/snowcat/node",
          "--input-type=module",
          "--eval",
          script,
          "--",
          path,
          "/var/run/docker.sock",
          "/run/docker.sock",
          join(place.directory, "state/run/launcher/socket"),
          join(place.directory, "state/run/egress/socket"),
        ],
      });
      expect(out(result)).toBe("ENOENT\n".repeat(5));
      expect(connections).toBe(0);
    } finally {
      await new Promise((resolve) => docker.close(resolve));
    }
  });

  test.each(["none", "proxy"] as const)(
    "with network %s reaches neither the host's loopback nor a metadata service",
    async (network) => {
      const before = hits;
      const script = `
      const { connect } = await import("node:net");
      const { request } = await import("node:http");
      const [port] = process.argv.slice(1);
      for (const [host, at] of [["127.0.0.1", port], ["::1", port], ["169.254.169.254", 80], ["10.0.0.1", 80]]) {
        await new Promise((done) => connect(Number(at), host, () => { console.log("reached", host); done(); }).on("error", (error) => { console.log("direct", error.code); done(); }));
      }
      if (process.env.http_proxy) for (const target of ["http://127.0.0.1:" + port + "/", "http://localhost:" + port + "/", "http://169.254.169.254/latest/meta-data", "http://[::ffff:127.0.0.1]:" + port + "/", "http://2130706433:" + port + "/", "http://10.0.0.1/"]) {
        await new Promise((done) => request({ host: "127.0.0.1", port: 3128, path: target }, (answer) => { console.log("proxy", answer.statusCode); answer.resume().on("end", done); }).end());
      }`;
      const result = await isolation.run({
        argv: ["/run/snowcat/node", "--input-type=module", "--eval", script, "--", String(port)],
        network,
      });
      const direct = out(result)
        .split("\n")
        .filter((line) => line.startsWith("direct"));
      expect(direct).toHaveLength(4);
      expect(out(result)).not.toContain("reached");
      expect(
        out(result)
          .split("\n")
          .filter((line) => line.startsWith("proxy")),
      ).toEqual(network === "proxy" ? Array(6).fill("proxy 403") : []);
      expect(hits).toBe(before);
    },
  );

  test("has no way to more rights: no capability, no setuid, no user namespace, nothing writable but its own", async () => {
    const result = await isolation.run({
      argv: [
        "/bin/sh",
        "-c",
        `grep -E '^(CapEff|CapBnd|NoNewPrivs):' /proc/self/status
         unshare --user true && echo escaped
         for path in / /usr /etc /nix/store /conf /run/snowcat /run/secrets; do touch "$path/planted" 2>/dev/null && echo "wrote $path"; done
         touch /job/ok /tmp/ok /home/ok && echo own; ls -A /dev`,
      ],
    });
    expect(out(result)).toMatch(/CapEff:\s+0+\n/);
    expect(out(result)).toMatch(/CapBnd:\s+0+\n/);
    expect(out(result)).toMatch(/NoNewPrivs:\s+1\n/);
    expect(out(result)).not.toContain("escaped");
    expect(out(result)).not.toContain("wrote");
    expect(out(result)).toContain("own");
    expect(out(result)).not.toMatch(/^(vda|sda|mem|kvm|fuse)/m);
  });

  test("leaves nothing: directory and all, whatever it made of it", async () => {
    const job = await isolation.openJob("messy");
    await job.run({
      argv: [
        "/bin/sh",
        "-c",
        'd=.; for i in 1 2 3 4 5 6 7 8; do mkdir -p "$d/x" && d="$d/x"; done; mkdir shut; touch shut/in; chmod 000 shut; ln -s / root',
      ],
    });
    await job.dispose();
    await expect(mkdir(job.outside)).resolves.toBeUndefined();
    const after = await job.run({ argv: ["true"] });
    expect(after.startFailure).toMatchObject({
      code: "REFUSED",
      message: expect.stringContaining("no open job") as unknown,
    });
  });
});
