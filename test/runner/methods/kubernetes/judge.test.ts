import { expect, test } from "vitest";
import { judgeRequest, type Mode } from "../../../../src/runner/deploy/methods/kubernetes/judge.ts";

const DRY: Mode = { kind: "dry-run", namespace: "snowcat" };
const APPLY: Mode = {
  kind: "apply",
  namespace: "snowcat",
  mayDelete: new Set(["configmaps csi/old", "namespaces snowcat"]),
  fence: async () => null,
};
const CSI = "/api/v1/namespaces/csi";
const NAMED = '{"metadata":{"name":"x"}}';

// Whether it goes through in a dry run, and in a run.
const REQUESTS: [string, string, string, boolean, boolean][] = [
  ["GET", "/version", "", true, true],
  ["GET", "/openapi/v3/apis/apps/v1?hash=1", "", true, true],
  ["GET", `${CSI}/secrets/x`, "", true, true],
  ["PATCH", `${CSI}/configmaps/x`, NAMED, false, true],
  ["PATCH", `${CSI}/configmaps/x?dryRun=All`, NAMED, true, true],
  // Another value, none, or two of them: the API would read one of them, and nobody here knows which.
  ["PATCH", `${CSI}/configmaps/x?dryRun=`, NAMED, false, true],
  ["PATCH", `${CSI}/configmaps/x?dryRun=None&dryRun=All`, NAMED, false, true],
  ["PATCH", `${CSI}/configmaps/x`, '{"dryRun":["All"]}', false, true],
  ["POST", `${CSI}/configmaps?dryRun=All`, NAMED, true, true],
  ["POST", `${CSI}/configmaps?dryRun=All`, "{}", false, false],
  ["POST", "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews", "{}", true, true],
  ["DELETE", `${CSI}/configmaps/old`, '{"dryRun":["All"]}', true, true],
  ["DELETE", `${CSI}/configmaps/old?dryRun=All`, "", true, true],
  // The body's options count, where there is one.
  ["DELETE", `${CSI}/configmaps/old?dryRun=All`, '{"propagationPolicy":"Background"}', false, true],
  ["DELETE", `${CSI}/configmaps/other`, "", false, false],
  ["DELETE", `${CSI}/configmaps`, '{"dryRun":["All"]}', false, false],
  // Snowcat's own record, the namespace that holds it, and other ways of writing their paths.
  ["PATCH", "/api/v1/namespaces/snowcat/configmaps/snowcat?dryRun=All", NAMED, false, false],
  ["PUT", "/api/v1/namespaces/snowcat/configmaps/%73nowcat", NAMED, false, false],
  [
    "POST",
    "/api/v1/namespaces/snowcat/configmaps",
    '{"metadata":{"name":"snowcat"}}',
    false,
    false,
  ],
  ["DELETE", "/api/v1/namespaces/snowcat", '{"dryRun":["All"]}', false, false],
  ["PATCH", "/api//v1/namespaces/snowcat/configmaps/snowcat", NAMED, false, false],
  ["PATCH", "/api/v1/namespaces/csi/../snowcat/configmaps/snowcat", NAMED, false, false],
  ["PATCH", "/api/v1/namespaces/csi%2F..%2Fsnowcat/configmaps/snowcat", NAMED, false, false],
  // Ways into pods and nodes, and logins.
  ["GET", `${CSI}/pods/x/exec?command=sh`, "", false, false],
  ["POST", `${CSI}/pods/x/exec?command=sh&dryRun=All`, NAMED, false, false],
  ["GET", `${CSI}/pods/x/log`, "", true, true],
  ["POST", `${CSI}/serviceaccounts/default/token?dryRun=All`, "{}", false, false],
  ["GET", "/api/v1/nodes/n/proxy/run", "", false, false],
  ["GET", `${CSI}/services/x:80/proxy/admin`, "", false, false],
  ["CONNECT", `${CSI}/pods/x`, "", false, false],
];
test.each(REQUESTS)("%s %s %s", (method, path, body, dry, real) => {
  const request = { method, path, body: Buffer.from(body) };
  expect([
    judgeRequest(request, DRY).kind !== "refused",
    judgeRequest(request, APPLY).kind !== "refused",
  ]).toEqual([dry, real]);
});
