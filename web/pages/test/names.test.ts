// @vitest-environment node
import { expect, test } from "vitest";
import { cleanCode, cleanName, nameError, spokenCode } from "../src/shared/names";
import { isKey, keyFor, newKey, sameName } from "../src/shared/seats";

test.each([["Ada"], ["  Ada  "], ["李小龍"], ["👩‍🚀".repeat(5)], ["<script>alert(1)</script>"], ["א".repeat(40)]])("%s may be a name", (name) => {
  expect(nameError(name)).toBeNull();
});

test.each([[""], ["   "], ["x".repeat(41)], ["a\u202eb"], ["a\u0007b"], ["a\nb"]])("%j may not", (name) => {
  expect(nameError(name)).not.toBeNull();
});

test("names are composed and trimmed", () => {
  expect(cleanName(" Ame\u0301lie ")).toBe("Amélie");
});

test.each([["482913", "482913"], [" 482 913 ", "482913"], ["482-913", "482913"], ["４８２９１３", "482913"], ["48291", null], ["48291a", null]])(
  "the code %j is %j", (text, code) => {
    expect(cleanCode(text)).toBe(code);
  });

test("a code is shown in two halves", () => {
  expect(spokenCode("482913")).toBe("482\u00a0913");
});

test("the same name brings the same key, another name a new one", () => {
  const key = newKey();
  expect(isKey(key)).toBe(true);
  const record = { key, event: null, seat: null, name: "Ada  Lovelace" };
  expect(keyFor(record, "ada lovelace")).toBe(key);
  expect(keyFor(record, "Bob")).not.toBe(key);
  expect(isKey(keyFor(null, "Bob"))).toBe(true);
  expect(sameName("Ａda", "ADA ")).toBe(true);
});
