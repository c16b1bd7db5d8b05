import { expect, test } from "vitest";

import { byPath, decide, keyOf, type Upload } from "../src/pure/match";

const at = "2023-11-14T22:13:20.123Z";
const file = { path: "S/ö.wav", size: 100, modified: at };
const upload = (id: string, change: Partial<Upload> = {}): Upload => ({
  id,
  path: "S/ö.wav",
  length: "100",
  offset: "40",
  state: "open",
  modified: at,
  ...change,
});

test("the same path, length and time go on", () => {
  expect(decide(file, [upload("a")])).toEqual({ use: upload("a"), replaces: [] });
  const shifted = upload("a", { modified: "2023-11-14T23:13:20.123999+01:00" });
  expect(decide(file, [shifted]).use).toBe(shifted);
  expect(decide(file, [upload("a", { modified: null })]).use?.id).toBe("a");
  // As a browser tells it that knows whole seconds only.
  expect(decide(file, [upload("a", { modified: "2023-11-14T22:13:20.000Z" })]).use?.id).toBe("a");
});

test("what has changed begins again, and the old one goes", () => {
  for (const change of [{ length: "101" }, { length: null }, { modified: "2023-11-14T22:13:21.000Z" }]) {
    expect(decide(file, [upload("a", change)])).toEqual({ replaces: ["a"] });
  }
  const finished = upload("a", { state: "finished", offset: "100", modified: "2024-01-01T00:00:00.000Z" });
  expect(decide(file, [finished])).toEqual({ replaces: ["a"] });
});

test("of several the one that has most is used; what was submitted stays", () => {
  const list = [upload("a"), upload("b", { offset: "90" }), upload("c", { state: "finished", offset: "100" })];
  expect(decide(file, list)).toEqual({ use: list[2], replaces: ["a", "b"] });
  const sealed = upload("s", { state: "sealed", offset: "100" });
  expect(decide(file, [sealed, upload("a")])).toEqual({ use: sealed, replaces: ["a"] });
  const old = upload("s", { state: "sealed", length: "7", offset: "7" });
  expect(decide(file, [old])).toEqual({ replaces: [] });
});

test("composed and decomposed names are one, upper and lower case are two", () => {
  const listed = byPath([upload("a", { path: "S/o\u0308.wav" }), upload("b", { path: "s/ö.wav" })]);
  expect(listed.get(keyOf("S/ö.wav"))?.map((one) => one.id)).toEqual(["a"]);
  expect(listed.size).toBe(2);
});
