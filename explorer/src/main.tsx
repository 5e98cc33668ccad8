import { render } from "preact";
import { useEffect, useState } from "preact/hooks";
import { AskError, ask, useServerState } from "./ask";
import { go, link, useRoute } from "./route";
import { simecViews } from "./simec";
import type { About, View } from "./views";
import { wordViews } from "./words";

const VIEWS: Record<string, (about: About) => View[]> = { words: wordViews, ...simecViews };

function Page() {
  const state = useServerState();
  const [about, setAbout] = useState<About | null>(null);
  const [error, setError] = useState<AskError | null>(null);
  const [first, setFirst] = useState(0);
  const route = useRoute();
  useEffect(() => {
    document.querySelector("nav [aria-current]")?.scrollIntoView({ block: "nearest", inline: "center" });
  }, [about, route.view]);
  useEffect(() => {
    ask<About>("about").then((reply) => {
      setAbout(reply.answer);
      setFirst((version) => version || reply.state.version);
      document.title = `${reply.answer.title} · Explorer`;
    }, setError);
  }, [state.version]);

  if (error && !about) return <p class="problem" role="alert">{error.message}</p>;
  if (!about) return <p class="hint" role="status">Loading …</p>;
  const views = VIEWS[about.kind]!(about);
  const view = views.find((other) => other.name === route.view) ?? views[0]!;
  const number = Math.min(Number(route.parameters.model ?? 0) || 0, about.models.length - 1);
  const kept: Record<string, number> = number ? { model: number } : {};
  return (
    <>
      <a class="skip" href="#main" onClick={(event) => {
        event.preventDefault();
        document.getElementById("main")?.focus();
      }}>
        Skip to the view
      </a>
      <header class="top">
        <div class="brand">
          <img src="icon.svg" alt="" width="28" height="28" />
          <div>
            <strong title={about.models[number]!.path}>{about.models[number]!.title}</strong>
            <small>{about.models[number]!.facts.join(" · ")}</small>
          </div>
        </div>
        {about.models.length > 1 && view.name !== "compare" && (
          <label class="model">
            Model
            <select value={number} onChange={(event) =>
              go(view.name, { ...route.parameters, model: event.currentTarget.value })}>
              {about.models.map((model, i) => <option value={i}>{model.title}</option>)}
            </select>
          </label>
        )}
        <Theme />
      </header>
      <nav aria-label="Views">
        {views.map((other) => (
          <a
            key={other.name}
            href={link(other.name, kept)}
            aria-current={other === view ? "page" : undefined}
          >
            {other.label}
          </a>
        ))}
      </nav>
      {state.problem && <p class="notice problem" role="alert">{state.problem}</p>}
      {!state.problem && first > 0 && state.version > first && (
        <p class="notice" role="status">
          The model was saved again; the page shows the new version.
          <button type="button" onClick={() => setFirst(state.version)}>Dismiss</button>
        </p>
      )}
      <main id="main" tabIndex={-1}>
        <view.Component
          key={`${view.name} ${number}`}
          about={about}
          number={number}
          parameters={route.parameters}
          version={state.version}
        />
      </main>
    </>
  );
}

const THEMES = ["auto", "light", "dark"] as const;

/** Light, dark, or as the system is set. */
function Theme() {
  const [theme, setTheme] = useState(() => localStorage.getItem("theme") ?? "auto");
  useEffect(() => {
    const system = matchMedia("(prefers-color-scheme: dark)");
    const apply = () => {
      const isDark = theme === "auto" ? system.matches : theme === "dark";
      document.documentElement.dataset.theme = isDark ? "dark" : "light";
      dispatchEvent(new Event("themechange"));
    };
    apply();
    localStorage.setItem("theme", theme);
    system.addEventListener("change", apply);
    return () => system.removeEventListener("change", apply);
  }, [theme]);
  const next = THEMES[(THEMES.indexOf(theme as (typeof THEMES)[number]) + 1) % THEMES.length]!;
  return (
    <button type="button" class="theme" onClick={() => setTheme(next)}
      aria-label={`Colors: ${theme}. Change to ${next}`} title={`Colors: ${theme}`}>
      <span aria-hidden="true">{{ auto: "◐", light: "☀", dark: "☾" }[theme] ?? "◐"}</span>
    </button>
  );
}

render(<Page />, document.getElementById("page")!);
