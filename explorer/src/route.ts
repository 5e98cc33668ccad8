// The view and its parameters, in the part of the address after "#": links, "back" and reloading work.
import { useEffect, useState } from "preact/hooks";

export interface Route {
  view: string;
  parameters: Record<string, string>;
}

function read(): Route {
  const [view = "", query = ""] = location.hash.slice(1).split("?");
  return { view, parameters: Object.fromEntries(new URLSearchParams(query)) };
}

export function link(view: string, parameters: Record<string, string | number> = {}): string {
  const entries = Object.entries(parameters).map(([key, value]) => [key, String(value)]);
  const query = new URLSearchParams(entries).toString();
  return `#${view}${query && "?"}${query}`;
}

export function go(view: string, parameters: Record<string, string | number> = {}) {
  location.hash = link(view, parameters);
}

/** Changes the address without a step for "back", for what changes often. */
export function replace(view: string, parameters: Record<string, string | number> = {}) {
  history.replaceState(null, "", link(view, parameters));
  dispatchEvent(new HashChangeEvent("hashchange"));
}

export function useRoute(): Route {
  const [route, setRoute] = useState(read);
  useEffect(() => {
    const update = () => setRoute(read());
    addEventListener("hashchange", update);
    return () => removeEventListener("hashchange", update);
  }, []);
  return route;
}
