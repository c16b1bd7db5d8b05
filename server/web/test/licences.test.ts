import { readFileSync } from "node:fs";

import { expect, test } from "vitest";

const FINE = ["MIT", "ISC", "BSD-3-Clause", "BSD-2-Clause", "Apache-2.0", "0BSD", "BlueOak-1.0.0", "CC0-1.0"];

test("everything that is built into the page may be shipped with it", () => {
  const lock = JSON.parse(readFileSync(new URL("../package-lock.json", import.meta.url), "utf8")) as {
    packages: Record<string, { license?: string; dev?: boolean }>;
  };
  const shipped = Object.entries(lock.packages).filter(([path, it]) => path !== "" && !it.dev);
  expect(shipped.length).toBeGreaterThan(20);
  for (const [path, { license = "none" }] of shipped) {
    // Published without the field; tus-js-client names it, its node half needs it, the page does not.
    if (path === "node_modules/combine-errors") continue;
    const names = license.replace(/[()]/g, "").split(" OR ");
    expect(names.some((name) => FINE.includes(name)), `${path}: ${license}`).toBe(true);
  }
});
