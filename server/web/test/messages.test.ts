import { FluentBundle, FluentResource } from "@fluent/bundle";
import { expect, test } from "vitest";

import en from "../../messages/en/upload.ftl?raw";
import fr from "../../messages/fr/upload.ftl?raw";
import { messages, parts, say } from "../src/pure/messages";

test("numbers decide the words of each language", () => {
  expect(say("files", { n: 1 })).toBe("1 file");
  expect(say("files", { n: 5000 })).toBe("5,000 files");
  const french = messages("fr");
  const files = french.getMessage("files")!.value!;
  expect(french.formatPattern(files, { n: 0 })).toBe("0 fichier");
  expect(french.formatPattern(files, { n: 5000 })).toMatch(/^5\s000 fichiers$/u);
});

test("elements stand where the message wants them", () => {
  const code = { is: "code" };
  expect(parts("program-goes-on", { program: code })).toEqual(["The program ", code, " goes on where it stopped, too:"]);
});

test("every message is whole in every language", () => {
  for (const [language, source] of Object.entries({ en, fr })) {
    const bundle = new FluentBundle(language, { useIsolating: false });
    expect(bundle.addResource(new FluentResource(source))).toEqual([]);
    const facts = Object.fromEntries([...source.matchAll(/\$([a-z]+)/g)].map(([, name]) => [name!, 2]));
    for (const id of [...source.matchAll(/^([a-z-]+) =/gm)].map(([, id]) => id!)) {
      const errors: Error[] = [];
      const text = bundle.formatPattern(bundle.getMessage(id)!.value!, facts, errors);
      expect(errors, `${language} ${id}`).toEqual([]);
      expect(text.trim(), `${language} ${id}`).not.toBe("");
    }
  }
});
