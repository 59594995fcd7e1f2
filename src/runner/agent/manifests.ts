import { RUNNER_ROUTE } from "../../protocol/routes.ts";
import { patiently, type Question } from "./ask.ts";

/** Texts of closures' manifests, kept by the control plane under their SHA-256 (hex). Who reads one checks it. */
export interface Manifests {
  put(digest: string, text: string): Promise<void>;
  get(digest: string): Promise<string>;
}

/** Asks as an attempt does; throws as `patiently` does. */
export function manifestsOf(question: Question): Manifests {
  const route = (digest: string) => `${RUNNER_ROUTE.manifest}/${digest}`;
  return {
    put: async (digest, text) =>
      await patiently(question, {
        method: "PUT",
        route: route(digest),
        body: text,
        what: "place for the manifest",
        read: async (answer) => {
          await answer.body?.cancel();
        },
      }),
    get: async (digest) =>
      await patiently(question, {
        method: "GET",
        route: route(digest),
        what: "manifest",
        read: async (answer) => await answer.text(),
      }),
  };
}
