// Parts that several views share.
import type { ComponentChildren } from "preact";
import { useEffect, useId, useRef, useState } from "preact/hooks";
import { type Asked, AskError, type Parameters, ask } from "./ask";

export type Pair = [string, number];

interface ComboboxProps {
  label: string;
  value: string;
  onPick: (value: string) => void;
  /** Parameters of the question "complete", such as what to complete. */
  completion: Parameters;
  placeholder?: string;
  large?: boolean;
  autofocus?: boolean;
}

/** A text field with completion, as in the ARIA pattern of a combobox with a listbox. */
export function Combobox(props: ComboboxProps) {
  const { label, value, onPick, completion, placeholder = "", large = false } = props;
  const id = useId();
  const [text, setText] = useState(value);
  const [names, setNames] = useState<string[]>([]);
  const [active, setActive] = useState(-1);
  const [open, setOpen] = useState(false);
  const newest = useRef(0);
  const input = useRef<HTMLInputElement>(null);
  useEffect(() => setText(value), [value]);
  useEffect(() => {
    if (props.autofocus && matchMedia("(hover: hover)").matches) input.current?.focus();
  }, []);

  async function complete(typed: string) {
    setText(typed);
    setActive(-1);
    const number = ++newest.current;
    try {
      const reply = await ask<{ names: string[] }>("complete", { ...completion, text: typed });
      if (number !== newest.current) return;
      setNames(reply.answer.names);
      setOpen(true);
    } catch {
      setOpen(false);
    }
  }

  function pick(name: string) {
    newest.current++;
    setText(name);
    setOpen(false);
    setActive(-1);
    if (name) onPick(name);
  }

  function close() {
    newest.current++;
    setOpen(false);
    setActive(-1);
  }

  function onKeyDown(event: KeyboardEvent) {
    const n = names.length;
    if (event.key === "ArrowDown" || event.key === "ArrowUp") {
      event.preventDefault();
      if (!open) void complete(text);
      else if (n) setActive((active + (event.key === "ArrowDown" ? 1 : active < 0 ? 0 : -1) + n) % n);
    } else if (event.key === "Enter") {
      event.preventDefault();
      pick((open && names[active]) || text.trim());
    } else if (event.key === "Escape" && open) {
      event.preventDefault();
      close();
    }
  }

  const shown = open && names.length > 0;
  return (
    <div class={large ? "combobox large" : "combobox"}>
      <label for={id}>{label}</label>
      <div class="field">
        <input
          ref={input}
          id={id}
          type="text"
          role="combobox"
          autocomplete="off"
          autocapitalize="none"
          spellcheck={false}
          maxLength={500}
          aria-autocomplete="list"
          aria-expanded={shown}
          aria-controls={`${id}-list`}
          aria-activedescendant={shown && active >= 0 ? `${id}-${active}` : undefined}
          placeholder={placeholder}
          value={text}
          onInput={(event) => void complete(event.currentTarget.value)}
          onFocus={(event) => event.currentTarget.select()}
          onKeyDown={onKeyDown}
          onBlur={close}
        />
        <ul id={`${id}-list`} role="listbox" aria-label={`${label}: suggestions`} hidden={!shown}>
          {names.map((name, i) => (
            <li
              key={name}
              id={`${id}-${i}`}
              role="option"
              aria-selected={i === active}
              onPointerDown={(event) => event.preventDefault()}
              onClick={() => pick(name)}
            >
              {name}
            </li>
          ))}
        </ul>
      </div>
    </div>
  );
}

interface ChoiceProps {
  label: string;
  options: { value: string; label: string }[];
  value: string;
  onChange: (value: string) => void;
}

/** One of a few options, as radio buttons in a row. */
export function Choice({ label, options, value, onChange }: ChoiceProps) {
  const id = useId();
  return (
    <fieldset class="choice">
      <legend>{label}</legend>
      <div>
        {options.map((option) => (
          <label key={option.value}>
            <input
              type="radio"
              name={id}
              checked={option.value === value}
              onChange={() => onChange(option.value)}
            />
            <span>{option.label}</span>
          </label>
        ))}
      </div>
    </fieldset>
  );
}

interface SliderProps {
  label: string;
  low: string;
  high: string;
  value: number;
  onChange: (value: number) => void;
}

/** A number from 0 to 1. */
export function Slider({ label, low, high, value, onChange }: SliderProps) {
  const id = useId();
  return (
    <div class="slider">
      <label for={id}>
        {label} <output for={id}>{value.toFixed(2)}</output>
      </label>
      <input
        id={id}
        type="range"
        min={0}
        max={1}
        step={0.05}
        value={value}
        aria-valuetext={`${value.toFixed(2)}, from ${low} (0) to ${high} (1)`}
        onInput={(event) => onChange(Number(event.currentTarget.value))}
      />
      <div class="ends" aria-hidden="true">
        <span>{low}</span>
        <span>{high}</span>
      </div>
    </div>
  );
}

/** A number with a minus sign in place of a hyphen. */
export function fixed(value: number, digits: number): string {
  return value.toFixed(digits).replace(/^-0\.?0*$/, (0).toFixed(digits)).replace("-", "−");
}

export function signed(value: number, digits = 2): string {
  const text = fixed(value, digits);
  return text.startsWith("−") ? text : `+${text}`;
}

interface RankedProps {
  label: string;
  items: Pair[];
  href?: (name: string) => string;
  /** Names that are marked, and the note that says why. */
  marked?: Set<string>;
  note?: string;
  /** The name that is chosen. */
  current?: string;
  /** Whether to show ranks. */
  ranks?: boolean;
  compact?: boolean;
}

/** Names with scores and bars, the best first. */
export function Ranked({ label, items, href, marked, note, current, ranks, compact }: RankedProps) {
  const scores = items.map(([, score]) => score);
  // cosines have the scale 0 to 1, other scores that of the list
  const isCosine = scores.every((score) => Math.abs(score) <= 1.0001);
  const high = isCosine ? 1 : Math.max(...scores);
  const low = isCosine ? 0 : Math.min(...scores) - 0.08 * (high - Math.min(...scores));
  return (
    <ol class={compact ? "ranked compact" : marked ? "ranked wide" : "ranked"} aria-label={label}>
      {items.map(([name, score], i) => (
        <li key={name} class={marked?.has(name) ? "marked" : ""}>
          <span>
            {ranks && <b>{i + 1}</b>}
            {href ? (
              <a href={href(name)} aria-current={name === current ? "true" : undefined}>{name}</a>
            ) : name}
            {marked?.has(name) && <small>{note}</small>}
          </span>
          <div class="bar" aria-hidden="true">
            <i style={{ width: high > low ? `${(100 * Math.max(0, score - low)) / (high - low)}%` : "100%" }} />
          </div>
          <data value={score}>{fixed(score, isCosine ? 3 : 2)}</data>
        </li>
      ))}
    </ol>
  );
}

/** Relevances as bars to the left (negative) and to the right (positive). */
export function Relevances({ label, items }: { label: string; items: Pair[] }) {
  const largest = Math.max(...items.map(([, value]) => Math.abs(value)), 1e-12);
  return (
    <ol class="relevances" aria-label={label}>
      {items.map(([name, value]) => (
        <li key={name} class={value < 0 ? "negative" : "positive"}>
          <span>{name}</span>
          <div class="bar" aria-hidden="true">
            <i style={{ width: `${(50 * Math.abs(value)) / largest}%` }} />
          </div>
          <data value={value}>{signed(value, 3)}</data>
        </li>
      ))}
    </ol>
  );
}

const PYTHON =
  /(#[^\n]*)|("(?:[^"\\\n]|\\.)*"|'(?:[^'\\\n]|\\.)*')|\b(import|from|as|for|in|if|else|True|False|None|lambda|def|return|with|not|and|or)\b|\b(\d+(?:\.\d+)?(?:e-?\d+)?)\b/g;

function highlighted(code: string): ComponentChildren[] {
  const parts: ComponentChildren[] = [];
  let end = 0;
  for (const match of code.matchAll(PYTHON)) {
    parts.push(code.slice(end, match.index));
    const kind = match[1] ? "comment" : match[2] ? "string" : match[3] ? "keyword" : "number";
    parts.push(<span class={kind}>{match[0]}</span>);
    end = match.index + match[0].length;
  }
  return [...parts, code.slice(end)];
}

/** Python code that gives the same answer, with a button that copies it. */
export function Python({ code, milliseconds }: { code: string; milliseconds: number }) {
  const [copied, setCopied] = useState("");
  useEffect(() => setCopied(""), [code]);
  async function copy() {
    try {
      await navigator.clipboard.writeText(code);
      setCopied("Copied");
    } catch {
      setCopied("Select the code and copy it");
    }
  }
  return (
    <section class="python" aria-label="Python code">
      <header>
        <h2>The same in Python</h2>
        <small>answered in {milliseconds < 10 ? milliseconds.toFixed(1) : milliseconds.toFixed(0)} ms</small>
        <span role="status">{copied}</span>
        <button type="button" onClick={() => void copy()}>
          Copy as Python
        </button>
      </header>
      <pre tabIndex={0}>
        <code>{highlighted(code)}</code>
      </pre>
    </section>
  );
}

interface ResultProps<T> {
  asked: Asked<T>;
  /** What to say before anything is asked. */
  hint: string;
  suggest?: (name: string) => string;
  children: (answer: T) => ComponentChildren;
}

/** The answer to a question: a hint before it, an error with suggestions, or the answer. */
export function Result<T>({ asked, hint, suggest, children }: ResultProps<T>) {
  const { reply, error, busy } = asked;
  if (error) return <Problem error={error} suggest={suggest} />;
  if (!reply) return <p class="hint">{busy ? "One moment …" : hint}</p>;
  return (
    <div class={busy ? "result busy" : "result"} aria-busy={busy}>
      {children(reply.answer)}
      {reply.code && <Python code={reply.code} milliseconds={reply.milliseconds} />}
    </div>
  );
}

function Problem({ error, suggest }: { error: AskError; suggest?: (name: string) => string }) {
  const message = error.message.charAt(0).toUpperCase() + error.message.slice(1);
  return (
    <div class="problem" role="alert">
      <p>{/[.!?]$/.test(message) ? message : `${message}.`}</p>
      {suggest && error.suggestions.length > 0 && (
        <p class="suggestions">
          Did you mean{" "}
          {error.suggestions.map((name) => (
            <a key={name} href={suggest(name)}>
              {name}
            </a>
          ))}
        </p>
      )}
    </div>
  );
}

/** A title with an explanation of a view in one or two sentences. */
export function Intro({ title, children }: { title: string; children: ComponentChildren }) {
  return (
    <header class="intro">
      <h1>{title}</h1>
      <p>{children}</p>
    </header>
  );
}
