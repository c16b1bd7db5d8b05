// How far the whole is, in bytes that have arrived.

import type { Page } from "../page";
import { UnderWay } from "./lists";
import { count, left, percent, sentence, size } from "../pure/words";

export function Progress({ page }: { page: Page }) {
  const { sending } = page;
  const { files, here, bytes, acknowledged, of, due, checked } = sending.totals;
  if (files === 0) return null;
  const whole = percent(acknowledged, bytes);
  const arrived = of.looking + of.queued + of.sending + of.absent + of.leaving === 0;
  const done = arrived && due === 0;
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
            {checked > 0 && ` · ${checked === here ? "all" : checked.toLocaleString("en")} checked`}
          </p>
        </div>
        {!arrived && (sending.active || sending.paused) && (
          <button type="button" onClick={() => (sending.paused ? sending.resume() : sending.pause())}>
            {sending.paused ? "Go on" : "Pause"}
          </button>
        )}
      </div>
      <progress max={100} value={whole} aria-label="Arrived at the studio" />
      <UnderWay sending={sending} />
      {!arrived && (
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
  const { of, due } = sending.totals;
  if (done) {
    const undecided = of.refused + of.failed;
    if (undecided > 0) return `Everything else has arrived. ${count(undecided, "file waits", "files wait")} for you, below.`;
    if (page.session?.review.state === "returned" && !page.unsubmitted) return "Submitted before. Add what is mended, or leave out what does not belong.";
    return page.unsubmitted ? "Everything has arrived. Now submit, below." : "Everything has arrived.";
  }
  const waiting = of.looking + of.queued + of.sending + of.absent;
  if (waiting === 0 && due > 0) {
    return `Everything has arrived. ${count(due, "file is", "files are")} still to be compared with your computer …`;
  }
  if (sending.paused) return "Paused.";
  const { standstill } = page;
  if (standstill !== undefined) {
    const seconds = standstill.until === undefined ? 0 : Math.ceil((standstill.until - performance.now()) / 1000);
    const when = seconds > 1 ? ` Trying again in ${count(seconds, "second")}.` : " It goes on by itself.";
    return sentence(standstill.text) + when;
  }
  if (of.queued + of.sending === 0) {
    if (of.looking > 0) return `The studio's checks look at ${count(of.looking, "file")} …`;
    return of.leaving > 0 ? `${count(of.leaving, "file")} being taken back …` : "Waiting for the files named above.";
  }
  const { rate, left: seconds } = sending.measure();
  if (seconds === undefined) return "Uploading …";
  const speed = rate === undefined ? "" : ` · ${size(Math.round(rate))} a second`;
  return sentence(`${left(seconds)} left`).replace(/\.$/, "") + speed;
}
