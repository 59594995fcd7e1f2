/** One rule of the house that a machine can check. */
export interface Gate {
  readonly name: string;
  /** @returns one text per problem, naming the file; none means that the tree passes */
  run(tree: Tree): Promise<readonly string[]>;
}

/** What is checked: a checkout, or a copy of one with something planted. */
export interface Tree {
  /** Absolute path. */
  readonly root: string;
  /** Relative paths, with `/`, of what git tracks or would track. */
  readonly files: readonly string[];
}
