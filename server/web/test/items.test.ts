import { expect, test } from "vitest";

import { recall, reconcile, take, toKeep, totals, type Items } from "../src/items";
import type { Upload } from "../src/pure/match";

const at = 1_700_000_000_123;
const iso = new Date(at).toISOString();
const pick = (path: string, size: number, lastModified = at) => ({
  path,
  file: new File([new Uint8Array(size)], path.split("/").at(-1)!, { lastModified }),
});
const upload = (id: string, path: string, length: number, offset: number, state: Upload["state"] = "open"): Upload => ({
  id,
  path,
  length: String(length),
  offset: String(offset),
  state,
  modified: iso,
});
const idle = () => false;

test("a closed browser's list is joined with the server's, and the same files go on", () => {
  const items: Items = new Map();
  recall(items, [
    { path: "S/a", size: 10, modified: iso },
    { path: "S/b", size: 10, modified: iso, insist: true },
  ]);
  reconcile(items, [upload("1", "S/a", 10, 4), upload("2", "S/c", 5, 5, "finished")], idle);
  expect([...items.values()].map((item) => [item.path, item.stage, item.acknowledged])).toEqual([
    ["S/a", "absent", 4],
    ["S/b", "absent", 0],
    ["S/c", "here", 5],
  ]);
  const fresh = take(items, [pick("S/a", 10), pick("S/b", 10), pick("S/c", 5), pick("S/new", 1)], true);
  expect(fresh.map((item) => [item.path, item.stage, item.upload])).toEqual([
    ["S/a", "looking", "1"],
    ["S/b", "looking", undefined],
  ]);
  expect(items.get("S/b")!.insist).toBe(true);
  expect(items.has("S/new")).toBe(false);
});

test("a file that has changed begins again, and its old upload goes", () => {
  const items: Items = new Map();
  recall(items, [{ path: "S/a", size: 10, modified: iso }]);
  reconcile(items, [upload("1", "S/a", 10, 4)], idle);
  const [item] = take(items, [pick("S/a", 10, at + 1000)], false);
  expect(item).toMatchObject({ acknowledged: 0, replaces: ["1"] });
  expect(item!.upload).toBeUndefined();
  expect(item!.note).toContain("changed");
  reconcile(items, [upload("1", "S/a", 10, 4)], idle);
  expect(items.get("S/a")!.replaces).toEqual(["1"]);
});

test("what the server lost is sent again, what is under way is left alone", () => {
  const items: Items = new Map();
  take(items, [pick("a", 3), pick("b", 3)], false);
  items.get("a")!.stage = "here";
  items.get("b")!.stage = "sending";
  reconcile(items, [], (key) => key === "b");
  expect(items.get("a")!.stage).toBe("queued");
  expect(items.get("b")!.stage).toBe("sending");
});

test("picking the same twice changes nothing; what was left out can come back", () => {
  const items: Items = new Map();
  take(items, [pick("a", 3)], false);
  expect(take(items, [pick("a", 3)], false)).toEqual([]);
  items.get("a")!.stage = "left";
  expect(take(items, [pick("a", 3)], false)).toHaveLength(1);
});

test("sums and memory hold what is still to come", () => {
  const items: Items = new Map();
  take(items, [pick("a", 3), pick("b", 5), pick("c", 7), pick("d", 11)], false);
  items.get("a")!.stage = "here";
  items.get("a")!.acknowledged = 3;
  items.get("c")!.stage = "refused";
  items.get("d")!.stage = "left";
  const sum = totals(items);
  expect([sum.files, sum.here, sum.bytes, sum.acknowledged, sum.unsealed]).toEqual([2, 1, 8, 3, 1]);
  expect(toKeep(items).map((item) => item.path)).toEqual(["b", "c"]);
});
