// How far the whole is, in bytes that have arrived.

import type { Page } from "../page";
import { UnderWay } from "./lists";
import { count, left, percent, sentence, size } from "../pure/words";

export function Progress({ page }: { page: Page }) {
  const { sending } = page;
  const { files, here, bytes, acknowledged, of } = sending.totals;
  if (files === 0) return null;
  const whole = percent(acknowledged, bytes);
  const done = of.looking + of.queued + of.sending + of.absent === 0;
  return (
    <div class={`card progress${done ? " done" : ""}`}>
      <div class="line">
        <span class="percent" aria-hidden="true">
          {done ? "✓" : `${whole} %`}
        </span>
        <div class="what">
          <p class="now">{now(page, done)}</p>
          <p class="hint">
            {count(here, "file")} of {files.toLocaleString("en")} · {size(acknowledged)} of {size(bytes)} arrived
          </p>
        </div>
        {!done && (sending.active || sending.paused) && (
          <button type="button" onClick={() => (sending.paused ? sending.resume() : sending.pause())}>
            {sending.paused ? "Go on" : "Pause"}
          </button>
        )}
      </div>
      <progress max={100} value={whole} aria-label="Arrived at the studio" />
      <UnderWay sending={sending} />
      {!done && (
        <p class="hint">
          If you close this page or your laptop, nothing is lost: what has arrived stays, and the same link goes on from
          there.
        </p>
      )}
      {sending.lookingTrouble && of.looking > 0 && page.standstill === undefined && (
        <p class="hint">
          {sentence(`${count(of.looking, "file is", "files are")} not checked yet: ${sending.lookingTrouble}`)} Trying again
          by itself.
        </p>
      )}
    </div>
  );
}

function now(page: Page, done: boolean): string {
  const { sending } = page;
  const { of } = sending.totals;
  if (done) {
    const undecided = of.refused + of.failed;
    if (undecided > 0) return `Everything else has arrived. ${count(undecided, "file waits", "files wait")} for you, below.`;
    if (page.session?.review.state === "returned" && !page.unsubmitted) return "Submitted before. Add what is mended.";
    return page.unsubmitted ? "Everything has arrived. Now submit, below." : "Everything has arrived.";
  }
  if (sending.paused) return "Paused.";
  const { standstill } = page;
  if (standstill !== undefined) {
    const seconds = standstill.until === undefined ? 0 : Math.ceil((standstill.until - performance.now()) / 1000);
    const when = seconds > 1 ? ` Trying again in ${count(seconds, "second")}.` : " It goes on by itself.";
    return sentence(standstill.text) + when;
  }
  if (of.queued + of.sending === 0) {
    return of.looking > 0 ? `The studio's checks look at ${count(of.looking, "file")} …` : "Waiting for the files named above.";
  }
  const { rate, left: seconds } = sending.measure();
  if (seconds === undefined) return "Uploading …";
  const speed = rate === undefined ? "" : ` · ${size(Math.round(rate))} a second`;
  return sentence(`${left(seconds)} left`).replace(/\.$/, "") + speed;
}
