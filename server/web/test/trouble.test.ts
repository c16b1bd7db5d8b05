import { expect, test } from "vitest";

import { backOff, judge, retryAfter } from "../src/pure/trouble";

const ours = (status: number, text = "said") => judge({ status, ours: true, text });
const theirs = (status: number, text = "<html>") => judge({ status, ours: false, text });

test("our server's sentence is shown, a proxy's page is not", () => {
  expect(ours(400, "the name is too long: shorten it\n").text).toBe("the name is too long: shorten it");
  expect(theirs(502).text).not.toContain("html");
});

test("a limit of ours is final, one of a proxy means smaller requests", () => {
  expect(ours(413).kind).toBe("file");
  expect(theirs(413).kind).toBe("smaller");
  expect(theirs(504).kind).toBe("smaller");
});

test("what passes is waited for", () => {
  for (const status of [0, 408, 409, 423, 425, 429, 500, 502, 503, 507]) expect(ours(status).kind).toBe("wait");
  expect(ours(507).after).toBe(60);
  expect(judge({ status: 429, ours: true, text: "", after: 7 }).after).toBe(7);
});

test("what is gone is asked for again, what is closed is closed", () => {
  expect(ours(404).kind).toBe("again");
  expect(ours(410).kind).toBe("again");
  expect(ours(460).kind).toBe("again");
  expect(ours(403).kind).toBe("closed");
  expect(theirs(403).kind).toBe("wait");
  expect(ours(400).kind).toBe("file");
});

test("patience grows to a minute, and longer if asked", () => {
  expect([0, 1, 2, 6, 60].map((tries) => backOff(tries))).toEqual([1, 2, 4, 60, 60]);
  expect(backOff(0, 120)).toBe(120);
  expect(retryAfter("5")).toBe(5);
  expect(retryAfter("Fri, 31 Dec 1999 23:59:59 GMT")).toBeUndefined();
  expect(retryAfter(null)).toBeUndefined();
});
