/** An object of a cluster, as the path of a request names it. The API's version is left out: it is one object in each. */
export type ClusterObject = {
  readonly group: string;
  readonly resource: string;
  readonly namespace: string | null;
  /** Null: all of that resource. */
  readonly name: string | null;
  /** `status`, `scale`, `exec`, … */
  readonly subresource: string | null;
};

const SEGMENT = /^[A-Za-z0-9._:-]+$/u;
const OF_NAMESPACES = new Set(["status", "finalize"]);

/** Null for a path that names none: `/version`, `/openapi/v2`, and whatever is not written plainly. */
export function objectOf(path: string): ClusterObject | null {
  const segments = path.split("/").slice(1);
  if (!segments.every((segment) => SEGMENT.test(segment) && segment !== "." && segment !== ".."))
    return null;
  const [root, ...rest] = segments;
  if (root === "api") return resourceOf("", rest.slice(1));
  if (root === "apis") return resourceOf(rest[0] ?? "", rest.slice(2));
  return null;
}

function resourceOf(group: string, segments: readonly string[]): ClusterObject | null {
  const [first, namespace, third, ...more] = segments;
  if (first === undefined) return null;
  const isWithin =
    first === "namespaces" &&
    namespace !== undefined &&
    third !== undefined &&
    !(more.length === 0 && OF_NAMESPACES.has(third));
  const [resource, name, ...sub] = isWithin ? [third, ...more] : segments;
  if (resource === undefined) return null;
  return {
    group,
    resource,
    namespace: isWithin ? namespace : null,
    name: name ?? null,
    subresource: sub.length === 0 ? null : sub.join("/"),
  };
}

/** `deployments.apps web/front`, `namespaces old`. */
export function describeObject({ group, resource, namespace, name }: ClusterObject): string {
  const kind = group === "" ? resource : `${resource}.${group}`;
  return `${kind} ${namespace === null ? "" : `${namespace}/`}${name ?? "*"}`;
}
