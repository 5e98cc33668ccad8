// Questions to the server, and hooks that keep their answers.
import { useEffect, useRef, useState } from "preact/hooks";

export interface Reply<T> {
  answer: T;
  code: string;
  state: State;
  milliseconds: number;
}

/** Version of the models that the server uses, and why a newer one could not be loaded. */
export interface State {
  version: number;
  problem: string | null;
}

export type Parameters = Record<string, string | number | boolean>;

export class AskError extends Error {
  constructor(
    message: string,
    readonly suggestions: string[] = [],
  ) {
    super(message);
  }
}

const listeners = new Set<(state: State) => void>();

export async function ask<T>(question: string, parameters: Parameters = {}): Promise<Reply<T>> {
  let response: Response;
  try {
    response = await fetch(`ask/${question}`, {
      method: "POST",
      headers: { "Content-Type": "application/json" },
      body: JSON.stringify(parameters),
    });
  } catch {
    throw new AskError("The explorer does not answer: it was stopped, or the machine is asleep.");
  }
  const isJson = response.headers.get("content-type")?.startsWith("application/json");
  const content = isJson ? await response.json() : { error: await response.text() };
  if (!response.ok) throw new AskError(content.error, content.suggestions);
  for (const listener of listeners) listener(content.state);
  return content;
}

/** The state of the server; it is asked every few seconds while the page is visible. */
export function useServerState(): State {
  const [state, setState] = useState<State>({ version: 0, problem: null });
  useEffect(() => {
    const listener = (next: State) =>
      setState((last) =>
        last.version === next.version && last.problem === next.problem ? last : next,
      );
    listeners.add(listener);
    const timer = setInterval(() => {
      if (!document.hidden) ask("state").catch(() => undefined);
    }, 3000);
    return () => {
      listeners.delete(listener);
      clearInterval(timer);
    };
  }, []);
  return state;
}

export interface Asked<T> {
  reply: Reply<T> | null;
  error: AskError | null;
  busy: boolean;
}

/**
 * The answer to a question, asked again when its parameters change; null asks nothing.
 *
 * One request runs at a time, and the newest parameters are asked next, so that a slider is answered
 * while it moves. The last answer stays until the next one arrives.
 */
export function useAnswer<T>(question: string, parameters: Parameters | null, again = 0): Asked<T> {
  const [asked, setAsked] = useState<Asked<T>>({ reply: null, error: null, busy: false });
  const running = useRef(false);
  const wanted = useRef<Parameters | null>(null);
  const mounted = useRef(true);
  useEffect(() => {
    mounted.current = true;
    return () => void (mounted.current = false);
  }, []);
  const key = parameters && JSON.stringify(parameters);
  useEffect(() => {
    wanted.current = parameters;
    if (!parameters) {
      setAsked({ reply: null, error: null, busy: false });
      return;
    }
    if (!running.current) void run();
  }, [question, key, again]);

  async function run() {
    running.current = true;
    setAsked((last) => ({ ...last, busy: true }));
    while (wanted.current && mounted.current) {
      const parameters = wanted.current;
      let next: Asked<T>;
      try {
        next = { reply: await ask<T>(question, parameters), error: null, busy: false };
      } catch (error) {
        next = { reply: null, error: error as AskError, busy: false };
      }
      const isNewest = wanted.current === parameters;
      if (isNewest) wanted.current = null;
      if (mounted.current && (isNewest || !next.error)) setAsked({ ...next, busy: !isNewest });
    }
    running.current = false;
  }
  return asked;
}
