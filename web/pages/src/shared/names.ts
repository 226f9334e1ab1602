export const NAME_MAX = 40;
const FORBIDDEN = /[\p{Cc}\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069]/u;

export function cleanName(text: string): string {
  return text.trim().normalize("NFC");
}

/** What is wrong with a name, in words, or null. */
export function nameError(text: string): string | null {
  const name = cleanName(text);
  if (name === "") return "Type the name that the others will see.";
  if ([...name].length > NAME_MAX) return `At most ${NAME_MAX} characters.`;
  if (FORBIDDEN.test(name)) return "This name has characters that can’t be shown.";
  return null;
}

/** The six digits of a code, however it was typed or pasted; null if it is none. */
export function cleanCode(text: string): string | null {
  const digits = text.normalize("NFKC").replace(/[\s-]/gu, "");
  return /^\d{6}$/.test(digits) ? digits : null;
}

/** In two parts, with a space that neither breaks the line nor swaps the parts where text runs from the right. */
export function spokenCode(code: string): string {
  return code.length === 6 ? `${code.slice(0, 3)}\u00a0${code.slice(3)}` : code;
}
