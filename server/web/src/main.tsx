// The upload page: finds its link in the document, asks the server how things stand, and draws.

import { render } from "preact";

import { Link, Refused, type State } from "./api";
import { onlyTab } from "./awake";
import { Memory } from "./kept";
import { pass } from "./looking";
import { Page } from "./page";
import { backOff } from "./pure/trouble";
import { say } from "./pure/messages";
import { sentence } from "./pure/words";
import { Announcer } from "./view/announce";
import { App } from "./view/app";
import { Before } from "./view/before";

/** At most so often, in milliseconds; 5,000 files change many times a second. */
const REDRAW = 200;

async function begin(main: HTMLElement): Promise<void> {
  const link = new Link((main.dataset["link"] ?? location.pathname).replace(/\/$/, ""));
  main.replaceChildren();
  const show = (text: string) => render(<Before text={text} />, main);
  const memory = await Memory.of(link.address);
  await onlyTab(`stemvault-${memory.key}`, () =>
    show(say("other-tab")),
  );
  const state = await ask(link, show);
  if (state === undefined) return;

  const announcer = new Announcer(main);
  const root = document.createElement("div");
  main.prepend(root);
  let next: ReturnType<typeof setTimeout> | undefined;
  let last = 0;
  const draw = () => {
    clearTimeout(next);
    next = undefined;
    last = performance.now();
    render(<App page={page} />, root);
    document.title = announcer.title(page);
    announcer.say(page);
  };
  const page: Page = new Page(link, state, memory, () => {
    next ??= setTimeout(draw, Math.max(0, last + REDRAW - performance.now()));
  });
  // The time left goes on while nothing else happens.
  setInterval(() => {
    if (page.sending.active) draw();
  }, 1000);
  render(null, main);
  main.replaceChildren(root, announcer.element);
  draw();
  await page.sending.begin(state);
}

/** The order's state, however long it takes; nothing if the link opens nothing. */
async function ask(link: Link, show: (text: string) => void): Promise<State | undefined> {
  for (let tries = 0; ; tries += 1) {
    try {
      return await link.state();
    } catch (error) {
      if (!(error instanceof Refused)) throw error;
      if (error.trouble.kind !== "wait") {
        show(sentence(error.trouble.text));
        return undefined;
      }
      const seconds = backOff(tries, error.trouble.after);
      show(say("trying-again", { why: sentence(error.trouble.text) }));
      await pass(seconds);
    }
  }
}

const main = document.getElementById("upload");
if (main !== null) void begin(main);
