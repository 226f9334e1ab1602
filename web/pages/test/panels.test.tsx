// @vitest-environment jsdom
import { cleanup, render, screen, within } from "@testing-library/react";
import { afterEach, describe, expect, it } from "vitest";
import { Panels } from "../src/admin/Panels";
import type { Panel } from "../src/admin/types";

afterEach(cleanup);

const router: Panel = {
  title: "Router", error: "",
  figures: { "MUDs online": 214, "Round trip": "31 ms", Keyed: true, Motto: null },
  tables: [
    { title: "Channels", columns: ["Name", "Listeners"], rows: [["imud_code", 12], ["intergossip", 31_000]], more: 3, empty: "None." },
    { title: "Waiting", columns: ["To"], rows: [], more: 0, empty: "Nothing waits." },
  ],
};

describe("a panel", () => {
  it("shows figures and tables of which the page knows nothing", () => {
    render(<Panels panels={{ router }} />);

    const section = within(screen.getByRole("region", { name: "Router" }));
    const figures = section.getAllByRole("definition").map((each) => each.textContent);
    expect(figures).toEqual(["214", "31 ms", "yes", "–"]);
    const lines = within(section.getByRole("region", { name: "Channels" })).getAllByRole("row").map((row) => row.textContent);
    expect(lines).toEqual(["NameListeners", "imud_code12", "intergossip31.0 k"]);
    expect(section.getByText("3 more.")).toBeDefined();
  });

  it("says what an empty table means", () => {
    render(<Panels panels={{ router }} />);

    expect(screen.getByText("Nothing waits.")).toBeDefined();
  });

  it("says that it could not be read, beside the others", () => {
    const bad: Panel = { title: "bad", figures: {}, tables: [], error: "no such row" };

    render(<Panels panels={{ bad, router }} />);

    expect(screen.getByText("This section could not be read: no such row")).toBeDefined();
    expect(screen.getByRole("heading", { name: "Router" })).toBeDefined();
  });

  it("shows nothing when the program has none", () => {
    const { container } = render(<Panels panels={{}} />);

    expect(container.childElementCount).toBe(0);
  });
});
