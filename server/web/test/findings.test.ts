import { expect, test } from "vitest";

import { Findings } from "../src/findings";

const finding = (message: string, ...files: string[]) => ({ rule: "mixed", severity: "warn" as const, message, files });

test("an answer about other files takes no finding back", () => {
  const findings = new Findings();
  findings.coming([finding("one", "S/a", "S/b")], ["S/a", "S/b"]);
  findings.coming([finding("two", "S/c")], ["S/c"]);
  findings.coming([], ["S/d"]);
  const shown = (coming: string[]) => findings.shown((key) => coming.includes(key)).map(({ message }) => message);
  expect(shown(["S/a", "S/b", "S/c"])).toEqual(["one", "two"]);
  // One of them is mended and looked at again.
  findings.coming([], ["S/b"]);
  expect(shown(["S/a", "S/b", "S/c"])).toEqual(["two"]);
});

test("of what is here the server's list speaks, once for all", () => {
  const findings = new Findings();
  findings.coming([finding("one", "S/a")], ["S/a"]);
  findings.here([finding("one", "S/a"), finding("three", "S/a", "S/e")]);
  expect(findings.shown(() => true)).toHaveLength(2);
  expect(findings.shown(() => false).map(({ message }) => message)).toEqual(["one", "three"]);
  findings.here([]);
  expect(findings.shown(() => false)).toEqual([]);
});
