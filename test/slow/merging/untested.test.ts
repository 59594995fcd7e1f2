import { untested } from "../../github/merging/table.ts";

untested(true);
