import { expect, test } from "vitest";

import type { Root } from "../src/pick";
import { Roots } from "../src/roots";

/** A folder of the disk: each time it is dropped the browser gives another handle on it. */
function folder(name: string, permission = "granted"): Root {
  const handle = {
    kind: "directory",
    name,
    isSameEntry: (other: { name: string }) => Promise.resolve(other.name === name),
    queryPermission: () => Promise.resolve(permission),
    requestPermission: () => Promise.resolve("granted"),
    async *values() {},
  };
  return handle as unknown as Root;
}

test("a folder that is dropped twice is one, also for the next visit", async () => {
  const roots = new Roots();
  await roots.add([folder("S")]);
  await roots.add([folder("S"), folder("T")]);
  expect(roots.all.map(({ name }) => name)).toEqual(["S", "T"]);
  const later = new Roots();
  // As an older page has kept them.
  await later.recall([folder("S", "prompt"), folder("S", "prompt"), folder("T", "prompt")]);
  expect(later.locked.map(({ name }) => name)).toEqual(["S", "T"]);
  // Dropping it is an answer, too.
  await later.add([folder("S")]);
  expect(later.locked.map(({ name }) => name)).toEqual(["T"]);
  expect(await later.unlock()).toHaveLength(1);
  expect(later.locked).toEqual([]);
});
