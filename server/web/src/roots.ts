// The files and folders that this browser can open again by itself, after a restart with a click.

import { permission, walk, type Brought, type Root } from "./pick";

export class Roots {
  /** Those that may be read. */
  all: Root[] = [];
  /** Those that may be read after a click. */
  locked: Root[] = [];

  get some(): boolean {
    return this.all.length > 0;
  }

  /** Takes in what may be read: the same folder twice is one, and is locked no more. */
  async add(roots: readonly Root[]): Promise<void> {
    for (const root of roots) {
      this.all = [...(await without(this.all, root)), root];
      this.locked = await without(this.locked, root);
    }
  }

  /** Takes up those of a closed browser; what can be read of them at once. */
  async recall(kept: readonly Root[]): Promise<Brought[]> {
    const brought: Brought[] = [];
    for (const root of kept) {
      if (await isIn(this.all, root)) continue;
      this.all.push(root);
      const allowed = await permission(root, false);
      if (allowed === "granted") brought.push(await walk([root]));
      else if (allowed === "prompt") this.locked.push(root);
    }
    return brought;
  }

  /** Asks for those that are locked: call it in a click. */
  async unlock(): Promise<Brought[]> {
    const roots = this.locked;
    this.locked = [];
    const brought: Brought[] = [];
    for (const root of roots) {
      if ((await permission(root, true)) === "granted") brought.push(await walk([root]));
    }
    return brought;
  }

  /** Reads again what may be read. */
  async reread(): Promise<Brought[]> {
    const brought: Brought[] = [];
    for (const root of this.all) {
      if ((await permission(root, false)) === "granted") brought.push(await walk([root]));
    }
    return brought;
  }
}

async function without(roots: readonly Root[], root: Root): Promise<Root[]> {
  const rest: Root[] = [];
  for (const one of roots) if (!(await one.isSameEntry(root))) rest.push(one);
  return rest;
}

async function isIn(roots: readonly Root[], root: Root): Promise<boolean> {
  for (const one of roots) if (await one.isSameEntry(root)) return true;
  return false;
}
