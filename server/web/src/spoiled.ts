// Uploads that are no file that ever was, because it changed under a request: they go before anybody
// can submit them.

import { Refused, type Link } from "./api";
import type { Item } from "./items";
import { pass } from "./looking";
import { hasChanged } from "./pick";
import { keyOf } from "./pure/match";
import { backOff } from "./pure/trouble";

/** If a file has changed: removes what was sent of it, and asks until the server says that it is gone. */
export async function discardSpoiled(link: Link, item: Item): Promise<boolean> {
  if (item.file === undefined || !(await hasChanged(item.file))) return false;
  for (let tries = 0; ; tries += 1) {
    try {
      const { uploads } = await link.state();
      const spoiled = uploads.filter(({ path, state }) => keyOf(path) === item.key && state !== "sealed");
      for (const { id } of spoiled) await link.remove(id);
      item.upload = undefined;
      item.acknowledged = 0;
      return true;
    } catch (error) {
      if (!(error instanceof Refused)) throw error;
      await pass(backOff(tries, error.trouble.after));
    }
  }
}
