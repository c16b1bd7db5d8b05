import { expect, test } from "vitest";

import { Pace, Steady } from "../src/pure/pace";

test("nothing is said before something is known", () => {
  const pace = new Pace();
  pace.resume(0);
  expect(pace.left(1000, 60_000)).toBeUndefined();
  pace.add(500, 61_000);
  expect(new Pace().left(1000, 0)).toBeUndefined();
});

test("a steady line gives a steady answer, however lumpy the answers come", () => {
  const pace = new Pace();
  const said: number[] = [];
  pace.resume(0);
  // 8 MB at once, every 4 seconds: 2 MB a second.
  for (let second = 0; second < 120; second += 1) {
    if (second % 4 === 0 && second > 0) pace.add(8e6, second * 1000);
    const left = pace.left(2e8, second * 1000 + 500);
    if (second > 45 && left !== undefined) said.push(left);
  }
  expect(said.length).toBeGreaterThan(50);
  expect(Math.min(...said)).toBeGreaterThan(80);
  expect(Math.max(...said)).toBeLessThan(125);
});

test("a pause is no slowness", () => {
  const pace = new Pace();
  pace.resume(0);
  for (let second = 1; second <= 60; second += 1) pace.add(1e6, second * 1000);
  const before = pace.rate(60_000)!;
  pace.stop();
  expect(pace.rate(3_600_000)).toBe(before);
  pace.resume(3_600_000);
  expect(pace.rate(3_601_000)).toBe(before);
});

test("a line that stops is seen to", () => {
  const pace = new Pace();
  pace.resume(0);
  for (let second = 1; second <= 60; second += 1) pace.add(1e6, second * 1000);
  pace.rate(60_000);
  for (let second = 61; second <= 95; second += 1) pace.rate(second * 1000);
  expect(pace.rate(95_000)!).toBeLessThan(5e5);
});

test("the shown time does not follow every wind", () => {
  const steady = new Steady();
  expect(steady.show(600, 0)).toBe(600);
  expect(steady.show(640, 1000)).toBe(599);
  expect(steady.show(520, 10_000)).toBe(590);
  expect(steady.show(300, 11_000)).toBe(300);
  expect(steady.show(undefined, 12_000)).toBeUndefined();
  expect(steady.show(50, 13_000)).toBe(50);
});

test("a line that fell silent is not as quick as it was", () => {
  const pace = new Pace();
  pace.resume(0);
  for (let second = 1; second <= 20; second += 1) pace.add(1_000_000, second * 1000);
  expect(pace.left(20_000_000, 20_000)).toBeLessThan(30);
  for (let second = 21; second <= 110; second += 1) pace.rate(second * 1000);
  expect(pace.rate(110_000)).toBeLessThan(50_000);
});

test("nothing is said of the time left while a line is silent", () => {
  const pace = new Pace();
  pace.resume(0);
  for (let second = 1; second <= 20; second += 1) pace.add(1_000_000, second * 1000);
  expect(pace.left(20_000_000, 45_000)).toBeDefined();
  expect(pace.left(20_000_000, 51_000)).toBeUndefined();
  pace.add(1_000_000, 52_000);
  expect(pace.left(20_000_000, 52_000)).toBeDefined();
});

test("after a pause a slow first answer forgets nothing, and a quicker line is believed at once", () => {
  const pace = new Pace();
  pace.resume(0);
  for (let second = 1; second <= 60; second += 1) pace.add(1e6, second * 1000);
  const before = pace.rate(60_000)!;
  pace.stop();
  pace.resume(3_600_000);
  // More than the first seconds, and nothing has come yet.
  for (let second = 1; second <= 8; second += 1) expect(pace.rate(3_600_000 + second * 1000)).toBe(before);
  pace.add(32e6, 3_608_500);
  expect(pace.rate(3_609_000)).toBeGreaterThan(3e6);
});
