import { useEffect, useRef } from "react";
import type { ReactNode } from "react";
import uPlot from "uplot";
import "uplot/dist/uPlot.min.css";

interface PlotProps {
  readonly title: string;
  readonly points: readonly (readonly [number, number])[];
  readonly window: number;
  readonly shown: (value: number) => string;
  readonly now: string;
  /** The axis reaches at least so far, so that next to nothing does not look like a lot. */
  readonly least: number;
}

const HEIGHT = 120;

export function Plot({ title, points, window: seconds, shown, now, least }: PlotProps): ReactNode {
  const box = useRef<HTMLDivElement>(null);
  const plot = useRef<uPlot | null>(null);
  const show = useRef(shown);
  show.current = shown;

  useEffect(() => {
    const element = box.current;
    if (element === null) return;
    const colour = (name: string): string => getComputedStyle(element).getPropertyValue(name).trim();
    const axis = { stroke: colour("--soft"), grid: { stroke: colour("--grid"), width: 1 }, ticks: { show: false }, font: "11px system-ui" };
    plot.current = new uPlot({
      width: element.clientWidth, height: HEIGHT, legend: { show: false },
      cursor: { y: false, points: { size: 6 } }, scales: { x: { time: false } },
      axes: [
        { ...axis, values: (_, ticks) => ticks.map(ago), size: 24 },
        { ...axis, values: (_, ticks) => ticks.map((tick) => show.current(tick)), size: 58 },
      ],
      series: [{}, { stroke: colour("--line-colour"), fill: colour("--fill-colour"), width: 2, points: { show: false } }],
    }, [[], []], element);
    const resized = new ResizeObserver(() => plot.current?.setSize({ width: element.clientWidth, height: HEIGHT }));
    resized.observe(element);
    return () => {
      resized.disconnect();
      plot.current?.destroy();
      plot.current = null;
    };
  }, []);

  useEffect(() => {
    const xs = points.map(([secondsAgo]) => -secondsAgo);
    const ys = points.map(([, value]) => value);
    plot.current?.setData([xs, ys], false);
    plot.current?.setScale("x", { min: -seconds, max: 0 });
    plot.current?.setScale("y", { min: 0, max: Math.max(least, ...ys.map((y) => y * 1.15)) });
  }, [points, seconds, least]);

  return (
    <figure className="plot" aria-label={`${title}: now ${now}`}>
      <figcaption className="plot__title"><span>{title}</span><strong>{now}</strong></figcaption>
      <div ref={box} aria-hidden="true" />
    </figure>
  );
}

function ago(seconds: number): string {
  if (seconds === 0) return "now";
  return seconds <= -120 ? `${Math.round(seconds / 60)} min` : `${Math.round(seconds)} s`;
}
