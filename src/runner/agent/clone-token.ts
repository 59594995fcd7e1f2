import { CloneToken, InputToken } from "../../protocol/enrolment.ts";
import { RUNNER_ROUTE } from "../../protocol/routes.ts";
import { patiently, type Question } from "./ask.ts";

/** Asks for the job's clone token; it is masked from here on. Throws as `patiently` does. */
export async function fetchCloneToken(question: Question): Promise<string> {
  const { token } = await patiently(question, {
    method: "POST",
    route: RUNNER_ROUTE.token,
    what: "clone token",
    read: async (answer) => CloneToken.parse(await answer.json()),
  });
  question.redaction.secret(token);
  return token;
}

/** Asks for the token of the listed private inputs; masked and refused as the clone token is. */
export async function fetchInputToken(question: Question): Promise<InputToken> {
  const answer = await patiently(question, {
    method: "POST",
    route: RUNNER_ROUTE.inputs,
    what: "token for private inputs",
    read: async (response) => InputToken.parse(await response.json()),
  });
  if (answer.token !== null) question.redaction.secret(answer.token);
  return answer;
}
