// The view of a map: methods, search, lasso, and the list of what it selects.
import type { ComponentChildren } from "preact";
import { useEffect, useRef, useState } from "preact/hooks";
import { AskError, type Parameters, type Reply, ask } from "./ask";
import { Choice, Combobox, Intro, Python } from "./parts";
import { go, replace } from "./route";
import { Scatter } from "./scatter";
import type { ViewProps } from "./views";

interface MapAnswer {
  state: "computing" | "done" | "failed";
  x?: number[];
  y?: number[];
  names: string[];
  error?: string;
  methods: { name: string; label: string }[];
}

interface MapProps extends ViewProps {
  /** Parameters of the question "map". */
  question: Parameters;
  completion: Parameters;
  /** What the points are, in the plural. */
  what: string;
  href: (name: string) => string;
  children?: ComponentChildren;
}

const LISTED = 200;

export function MapView({ parameters, version, question, completion, what, href, children }: MapProps) {
  const method = parameters.method ?? "pca";
  const [reply, setReply] = useState<Reply<MapAnswer> | null>(null);
  const [error, setError] = useState<AskError | null>(null);
  const [lassoing, setLassoing] = useState(false);
  const [hovered, setHovered] = useState(-1);
  const [selected, setSelected] = useState<number[]>([]);
  const points = useRef<HTMLCanvasElement>(null);
  const above = useRef<HTMLCanvasElement>(null);
  const scatter = useRef<Scatter | null>(null);
  const answer = reply?.answer;
  const names = answer?.names ?? [];

  useEffect(() => {
    let stopped = false;
    setReply(null);
    setError(null);
    const poll = async () => {
      try {
        const next = await ask<MapAnswer>("map", { ...question, method });
        if (stopped) return;
        setReply(next);
        if (next.answer.state === "computing") setTimeout(poll, 400);
      } catch (problem) {
        if (!stopped) setError(problem as AskError);
      }
    };
    void poll();
    return () => void (stopped = true);
  }, [method, JSON.stringify(question), version]);

  useEffect(() => {
    const made = new Scatter(points.current!, above.current!);
    made.onHover = setHovered;
    scatter.current = made;
    return () => made.destroy();
  }, []);

  useEffect(() => {
    if (!scatter.current) return;
    scatter.current.onSelect = (found) => {
      setSelected(found);
      scatter.current?.mark(found);
    };
    scatter.current.onOpen = (point) => find(names[point]!, false);
    scatter.current.show(answer?.x ?? [], answer?.y ?? [], names);
    setSelected([]);
    if (answer?.state === "done" && parameters.name) find(parameters.name, true);
  }, [reply]);

  useEffect(() => {
    if (scatter.current) scatter.current.lassoing = lassoing;
  }, [lassoing]);

  function find(name: string, follow: boolean) {
    const point = names.indexOf(name);
    setSelected(point < 0 ? [] : [point]);
    scatter.current?.mark(point < 0 ? [] : [point], follow);
    replace("map", { ...parameters, name });
  }

  const missing = parameters.name && answer?.state === "done" && !names.includes(parameters.name);
  return (
    <>
      <Intro title="Map">
        Similar {what} are near one another, as far as two dimensions allow. Drag and zoom, or
        select an area to list its {what}.
      </Intro>
      <div class="controls">
        <Combobox label="Find" value={parameters.name ?? ""} completion={completion}
          onPick={(name) => find(name, true)} />
        {(answer?.methods.length ?? 0) > 1 && (
          <Choice label="Method" value={method}
            options={answer!.methods.map(({ name, label }) => ({ value: name, label }))}
            onChange={(method) => go("map", { ...parameters, method })} />
        )}
        {children}
      </div>
      {missing && <p class="hint" role="status">{parameters.name} is not on this map.</p>}
      {error && <p class="problem" role="alert">{error.message}</p>}
      {answer?.state === "failed" && <p class="problem" role="alert">{answer.error}</p>}
      <div class="map">
        <div class="canvas card">
          <canvas ref={points} aria-hidden="true" />
          <canvas ref={above} tabIndex={0} role="application"
            aria-label={`Map of ${names.length.toLocaleString("en")} ${what}. Arrow keys move it, plus and minus zoom, 0 shows all, Enter lists what is in view.`} />
          <div class="tools">
            <button type="button" aria-pressed={lassoing} onClick={() => setLassoing(!lassoing)}>Select an area</button>
            <button type="button" aria-label="Zoom in" onClick={() => scatter.current?.zoomBy(1.5)}>+</button>
            <button type="button" aria-label="Zoom out" onClick={() => scatter.current?.zoomBy(1 / 1.5)}>−</button>
            <button type="button" onClick={() => scatter.current?.reset()}>All</button>
          </div>
          {(!answer || answer.state === "computing") && !error && (
            <p class="computing" role="status">
              {method === "pca" ? "Computing the map …" : "Computing the map, which can take a minute …"}
            </p>
          )}
        </div>
        <section class="card list" aria-label="Selection">
          <h2>
            {selected.length ? `${selected.length.toLocaleString("en")} selected` : "Selection"}
            {selected.length > 0 && (
              <button type="button" onClick={() => {
                setSelected([]);
                scatter.current?.mark([]);
              }}>Clear</button>
            )}
          </h2>
          {selected.length ? (
            <ul>
              {selected.slice(0, LISTED).map((point) => (
                <li key={point}><a href={href(names[point]!)}>{names[point]}</a></li>
              ))}
            </ul>
          ) : (
            <p>Click a point, or hold Shift and draw around several.</p>
          )}
          {selected.length > LISTED && <p>and {(selected.length - LISTED).toLocaleString("en")} more</p>}
          <p class="hovered" aria-hidden="true">{hovered >= 0 ? names[hovered] : ""}</p>
        </section>
      </div>
      {reply?.code && <Python code={reply.code} milliseconds={reply.milliseconds} />}
    </>
  );
}
