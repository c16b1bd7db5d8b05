import { expect, test } from "vitest";

import { left, percent, sentence, size, split } from "../src/pure/words";

test("sizes are read at a glance", () => {
  expect([0, 1, 999, 1000, 999_949, 999_950, 12_345_678, 49_999_999_999].map(size)).toEqual([
    "0 bytes",
    "1 byte",
    "999 bytes",
    "1.0 kB",
    "1000 kB",
    "1.0 MB",
    "12.3 MB",
    "50.0 GB",
  ]);
});

test("the time left is as coarse as it is known", () => {
  expect([3, 70, 540, 1500, 3500, 5400, 40_000, 200_000].map(left)).toEqual([
    "less than a minute",
    "about 1 minute",
    "about 9 minutes",
    "about 25 minutes",
    "about 1 hour",
    "about 1 hour 30 minutes",
    "about 11 hours",
    "more than 2 days",
  ]);
});

test("100 percent is said when everything is there, not before", () => {
  expect(percent(999_999, 1_000_000)).toBe(99);
  expect(percent(5, 5)).toBe(100);
  expect(percent(0, 0)).toBe(100);
});

test("words", () => {
  expect(sentence("the name is too long: shorten it")).toBe("The name is too long: shorten it.");
  expect(sentence("kaputt.wav: nothing opens it")).toBe("kaputt.wav: nothing opens it.");
  expect(sentence(" Done! ")).toBe("Done!");
  expect(split("a/b/c.wav")).toEqual({ folder: "a/b/", name: "c.wav" });
  expect(split("c.wav")).toEqual({ folder: "", name: "c.wav" });
});
