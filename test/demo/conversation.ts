import type { Account, Comment } from "../github/index.ts";
import { eventually, type Project } from "./stage.ts";

/** What is said on one pull request, by people and by us. */
export class Conversation {
  readonly #project: Project;
  readonly #pull: number;

  constructor(project: Project, pull: number) {
    this.#project = project;
    this.#pull = pull;
  }

  type(body: string, as: Account = this.#project.account): Comment {
    return this.#github.comment(as, this.#project.repository, this.#pull, body);
  }

  /** Types it, and waits until we have reacted to it like this. */
  async say(body: string, reactions: string[], as?: Account): Promise<Comment> {
    const comment = this.type(body, as);
    await this.untilReacted(comment, reactions);
    return comment;
  }

  async untilReacted(comment: Comment, reactions: string[]): Promise<void> {
    const seen = () => this.#github.reactions(comment).map(({ content }) => content);
    await eventually(
      () => seen().toSorted().join() === reactions.toSorted().join(),
      `the reactions to ${JSON.stringify(comment.body.slice(0, 60))} are ${reactions.join(", ")}`,
      () => ({ reactions: seen(), sticky: this.sticky() }),
    );
  }

  /** Our comments. */
  ours(): Comment[] {
    const { app } = this.#project.stage.stack;
    return this.#github
      .comments(this.#project.repository, this.#pull)
      .filter(({ appId }) => appId === app.id);
  }

  /** The one that is edited; a comment of its own says in its marker what it is about. */
  sticky(): string {
    const begins = `<!-- snowcat comment:${this.#project.repository.id}:${this.#pull} -->`;
    return this.ours().find(({ body }) => body.startsWith(begins))?.body ?? "";
  }

  async untilSticky(text: string): Promise<void> {
    await eventually(
      () => this.sticky().includes(text),
      `the sticky comment has ${JSON.stringify(text)}`,
      () => this.sticky(),
    );
  }

  get #github() {
    return this.#project.stage.github;
  }
}
