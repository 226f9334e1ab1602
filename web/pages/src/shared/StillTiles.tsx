import type { ReactNode } from "react";
import { LETTERS, Shape } from "./Shape";

/** The choices to look at; they are tapped elsewhere. */
export function StillTiles({ choices }: { readonly choices: readonly string[] }): ReactNode {
  return (
    <ol className="tiles" aria-label="Answers">
      {choices.map((text, index) => (
        <li key={index} className={`tile tile--still tile--${index}`}>
          <Shape index={index} />
          <span className="tile__letter">{LETTERS[index]}</span>
          <span className="tile__text">{text}</span>
        </li>
      ))}
    </ol>
  );
}
