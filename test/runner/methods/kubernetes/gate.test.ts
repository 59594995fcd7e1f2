import { request } from "node:http";
import { afterAll, beforeAll, expect, test } from "vitest";
import { openGate, type Gate } from "../../../../src/runner/deploy/methods/kubernetes/gate.ts";
import { ClusterDouble } from "./double.ts";

const double = new ClusterDouble();
let gate: Gate;
beforeAll(async () => {
  await double.start();
  gate = await openGate(double.socket);
});
afterAll(async () => {
  await gate.close();
  await double.stop();
});

const PATH = "/api/v1/namespaces/csi/configmaps/x";
const apply = () =>
  gate.open({ kind: "apply", namespace: "snowcat", mayDelete: new Set(), fence: async () => null });
/** Over a connection of its own: the gate cuts those that are open when it closes. */
const status = async (url: string, path = new URL(url).pathname): Promise<number> =>
  await new Promise((resolve, reject) => {
    request(url, { path, agent: false }, (answer) => {
      answer.resume();
      resolve(answer.statusCode ?? 0);
    })
      .on("error", reject)
      .end();
  });

test("is open to whoever was told its address, and while a program runs", async () => {
  double.objects.set(PATH, { metadata: { name: "x" } });
  expect(await status(`${gate.server}${PATH}`)).toBe(403);
  apply();
  expect(await status(`${gate.server}${PATH}`)).toBe(200);
  expect(await status(`http://${gate.reach}${PATH}`)).toBe(403);
  expect(await status(`http://${gate.reach}/${"0".repeat(48)}${PATH}`)).toBe(403);
  // What a proxy sends: the whole address.
  const { pathname } = new URL(gate.server);
  expect(await status(gate.server, `http://cluster${pathname}${PATH}`)).toBe(200);
  expect(gate.shut().read).toEqual(new Set(["configmaps csi/x"]));
  expect(await status(`${gate.server}${PATH}`)).toBe(403);
});

test("hands on nobody else's name, and no login", async () => {
  apply();
  const headers = {
    authorization: "Bearer stolen",
    "impersonate-user": "admin",
    "x-other": "kept",
  };
  await (await fetch(`${gate.server}${PATH}`, { headers })).text();
  expect(double.headers).toMatchObject({ "x-other": "kept", host: "localhost" });
  expect(double.headers).not.toHaveProperty("authorization");
  expect(double.headers).not.toHaveProperty("impersonate-user");
});

test("a body that is too long, and what was cut off", async () => {
  apply();
  const body = "x".repeat(9 * 1024 * 1024);
  const long = await fetch(`${gate.server}${PATH}`, { method: "PUT", body }).then(
    (answer) => answer.status,
    // The connection may be gone before all of it was sent.
    () => 413,
  );
  expect(long).toBe(413);
  expect(double.changes).toEqual([]);
  double.fault = () => "lose";
  await expect(
    fetch(`${gate.server}${PATH}`, { method: "PUT", body: '{"metadata":{"name":"x"}}' }),
  ).rejects.toThrow("fetch failed");
  expect([...gate.shut().written]).toEqual([
    ["configmaps csi/x", { status: 0, why: "PUT answered 0" }],
  ]);
});
