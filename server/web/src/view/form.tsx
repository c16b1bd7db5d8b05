// The studio's form. What is required is a hint here; the server decides.

import type { Field } from "../api";
import type { Page } from "../page";
import { say } from "../pure/messages";

export function FormSection({ page }: { page: Page }) {
  const { draft, state } = page;
  const said = { untouched: "", changed: say("form-changed"), kept: say("form-kept") }[draft.state];
  return (
    <section aria-labelledby="about">
      <h2 id="about">
        <span class="step">2</span> {say("form-heading")}
      </h2>
      <p class="hint">
        {say("form-hint")}{" "}
        <span class="saved" aria-live="off">
          {draft.refused ?? said}
        </span>
      </p>
      <form class="fields" onSubmit={(event) => event.preventDefault()} noValidate>
        {state.form.fields.map((field) => (
          <Input key={field.name} field={field} page={page} />
        ))}
      </form>
    </section>
  );
}

function Input({ field, page }: { field: Field; page: Page }) {
  const { name, label, hint, required, kind } = field;
  const id = `field-${name}`;
  const empty = page.asked?.fields.includes(field) ?? false;
  const missing = empty || page.bad.has(name);
  const described = [hint ? `${id}-hint` : "", missing ? `${id}-missing` : ""].filter(Boolean).join(" ");
  const common = {
    id,
    name,
    value: page.draft.values[name] ?? "",
    required,
    "aria-invalid": missing,
    ...(described ? { "aria-describedby": described } : {}),
    onInput: (event: Event) =>
      page.enter(name, (event.currentTarget as HTMLInputElement | HTMLTextAreaElement).value),
  };
  return (
    <div class={`field ${kind}`}>
      <label for={id}>
        {label}
        {required ? <span class="required"> {say("form-needed")}</span> : null}
      </label>
      {hint && (
        <p class="hint" id={`${id}-hint`}>
          {hint}
        </p>
      )}
      {kind === "longtext" ? (
        <textarea {...common} rows={4} />
      ) : (
        <input
          {...common}
          type="text"
          inputMode={kind === "number" ? "decimal" : "text"}
          autocapitalize={kind === "isrc" ? "characters" : undefined}
          spellcheck={kind === "text"}
          autocomplete="off"
        />
      )}
      {missing && (
        <p class="bad" id={`${id}-missing`}>
          {empty ? say("form-empty") : say("form-bad")}
        </p>
      )}
    </div>
  );
}
