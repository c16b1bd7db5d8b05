import { expect, test } from "vitest";

import { hear, leaveOut, recall, reconcile, seal, take, toKeep, totals, type Items } from "../src/items";
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
  ], []);
  reconcile(items, [upload("1", "S/a", 10, 4), upload("2", "S/c", 5, 5, "finished")], idle);
  expect([...items.values()].map((item) => [item.path, item.stage, item.acknowledged])).toEqual([
    ["S/a", "absent", 4],
    ["S/b", "absent", 0],
    ["S/c", "here", 5],
  ]);
  const { fresh, arrived } = take(items, [pick("S/a", 10), pick("S/b", 10), pick("S/c", 5), pick("S/new", 1)], true);
  expect(arrived.map((item) => item.path)).toEqual(["S/c"]);
  expect(fresh.map((item) => [item.path, item.stage, item.upload])).toEqual([
    ["S/a", "looking", "1"],
    ["S/b", "looking", undefined],
  ]);
  expect(items.get("S/b")!.insist).toBe(true);
  expect(items.has("S/new")).toBe(false);
});

test("a file that has changed begins again, and its old upload goes", () => {
  const items: Items = new Map();
  recall(items, [{ path: "S/a", size: 10, modified: iso }], []);
  reconcile(items, [upload("1", "S/a", 10, 4)], idle);
  const [item] = take(items, [pick("S/a", 10, at + 1000)], false).fresh;
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

test("picking the same twice changes nothing; what was left out comes back alone, not with its folder", () => {
  const items: Items = new Map();
  take(items, [pick("S/a", 3)], false);
  const nothing = { fresh: [], arrived: [] };
  expect(take(items, [pick("S/a", 3)], false)).toEqual(nothing);
  leaveOut(items.get("S/a")!);
  expect(take(items, [pick("S/a", 3), pick("S/b", 1)], false).fresh.map((item) => item.path)).toEqual(["S/b"]);
  const kept = toKeep(items);
  const later: Items = new Map();
  recall(later, kept, []);
  expect(take(later, [pick("S/a", 3), pick("S/b", 1)], false).fresh.map((item) => item.path)).toEqual(["S/b"]);
  expect(later.get("S/a")!.stage).toBe("left");
  const elsewhere: Items = new Map();
  recall(elsewhere, kept, [upload("1", "S/a", 3, 3, "finished")]);
  expect(elsewhere.has("S/a"), "sent from somewhere else since").toBe(false);
  expect(take(items, [pick("S/a", 3)], false).fresh).toHaveLength(1);
});

test("a file of the same length and another time is compared, not sent again, and not believed", () => {
  const items: Items = new Map();
  const finished = { ...upload("1", "S/a", 10, 10, "finished"), hash: "aa", checked: true };
  reconcile(items, [finished], idle);
  const item = items.get("S/a")!;
  expect(item).toMatchObject({ stage: "here", check: "same", hash: "aa" });
  expect(take(items, [pick("S/a", 10)], false)).toEqual({ fresh: [], arrived: [] });
  // Whole seconds, as another browser tells them.
  expect(take(items, [pick("S/a", 10, Math.floor(at / 1000) * 1000)], false).arrived).toEqual([]);
  expect(take(items, [pick("S/a", 10, at + 86_400_000)], false)).toEqual({ fresh: [], arrived: [item] });
});

test("what the checks call here by its length is sent if it is known to be another file", () => {
  const items: Items = new Map();
  const [one, two] = take(items, [pick("S/a", 3), pick("S/b", 3)], false).fresh;
  two!.another = true;
  const here = (path: string) => ({ path, normalised: path, action: "already_here" as const, findings: [] });
  const answer = { files: [here("S/a"), here("S/b")], session: [], forbidden: [] };
  expect(hear([one!, two!], answer)).toEqual([two]);
  expect(one!.stage).toBe("here");
});

test("what the receipt names is submitted, whatever was thought of it", () => {
  const items: Items = new Map();
  take(items, [pick("a", 3), pick("b", 3), pick("c", 3)], false);
  items.get("a")!.stage = "here";
  items.get("b")!.stage = "here";
  leaveOut(items.get("c")!);
  seal(items, [{ path: "a", hash: "1" }, { path: "c", hash: "3" }]);
  expect(["a", "b", "c"].map((key) => items.get(key)!.sealed)).toEqual([true, false, true]);
  expect(items.get("c")!.note).toContain("tell the studio");
});

test("sums and memory hold what is still to come", () => {
  const items: Items = new Map();
  take(items, [pick("a", 3), pick("b", 5), pick("c", 7), pick("d", 11)], false);
  items.get("a")!.stage = "here";
  items.get("a")!.acknowledged = 3;
  items.get("c")!.stage = "refused";
  leaveOut(items.get("d")!);
  const sum = totals(items);
  expect([sum.files, sum.here, sum.bytes, sum.acknowledged, sum.unsealed]).toEqual([2, 1, 8, 3, 1]);
  expect(toKeep(items).map((item) => item.path)).toEqual(["b", "c", "d"]);
  expect(toKeep(items)[2]).toMatchObject({ path: "d", left: true });
});
