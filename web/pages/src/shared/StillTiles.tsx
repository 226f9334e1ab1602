import type { ReactNode } from "react";
import { Mark } from "./Shape";
import { tileSize } from "./size";

/** The choices to look at; they are tapped elsewhere. */
export function StillTiles({ choices }: { readonly choices: readonly string[] }): ReactNode {
  return (
    <ol className="tiles" aria-label="Answers" data-count={choices.length}>
      {choices.map((text, index) => (
        <li key={index} className={`tile tile--still colour--${index}`}>
          <Mark index={index} />
          <span className="tile__text" dir="auto" data-size={tileSize(text)}>{text}</span>
        </li>
      ))}
    </ol>
  );
}
