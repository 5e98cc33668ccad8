// Views of models of words.
import { useEffect, useState } from "preact/hooks";
import { useAnswer } from "./ask";
import { MapView } from "./map";
import { Choice, Combobox, Intro, type Pair, Ranked, Relevances, Result, Slider, fixed, signed } from "./parts";
import { go, link, replace } from "./route";
import type { About, View, ViewProps } from "./views";

export function wordViews(about: About): View[] {
  const has = (test: (model: About["models"][number]) => boolean) => about.models.some(test);
  const withContexts = has((model) => model.spaces.includes("context"));
  const views: (View | false)[] = [
    { name: "neighbors", label: "Neighbors", Component: Neighbors },
    has((model) => model.has_senses) && { name: "senses", label: "Senses", Component: Senses },
    withContexts && { name: "sentence", label: "In a sentence", Component: Sentence },
    withContexts && { name: "why", label: "Why similar", Component: Why },
    { name: "analogies", label: "Analogies", Component: Analogies },
    { name: "map", label: "Map", Component: WordMap },
    about.models.length > 1 && { name: "compare", label: "Compare", Component: Compare },
  ];
  return views.filter((view) => view !== false);
}

/** Parameters of a view that every question and link needs. */
function useSpace({ about, number, parameters }: ViewProps) {
  const { spaces } = about.models[number]!;
  const space = spaces.includes(parameters.space ?? "") ? parameters.space! : spaces[0]!;
  const kept: Record<string, string> = {
    ...(number ? { model: String(number) } : {}),
    ...(space !== spaces[0] ? { space } : {}),
  };
  return { spaces, space, kept };
}

const SPACES = [
  { value: "context", label: "context embeddings" },
  { value: "word2vec", label: "word2vec" },
];

function SpaceChoice({ spaces, space, onChange }: {
  spaces: string[];
  space: string;
  onChange: (space: string) => void;
}) {
  if (spaces.length < 2) return null;
  return <Choice label="Vectors" options={SPACES} value={space} onChange={onChange} />;
}

function times(count: number): string {
  return `${count.toLocaleString("en")} ${count === 1 ? "time" : "times"} in the text`;
}

function Neighbors(props: ViewProps) {
  const { about, number, parameters, version } = props;
  const { spaces, space, kept } = useSpace(props);
  const word = parameters.word ?? about.models[number]!.sample;
  const asked = useAnswer<{ word: string; count: number; neighbors: Pair[] }>(
    "neighbors", { word, space, topn: 15, model: number }, version,
  );
  return (
    <>
      <Intro title="Neighbors">
        The words with the most similar vectors. Choose one of them to go on from there.
      </Intro>
      <div class="controls">
        <Combobox label="Word" value={word} completion={{ model: number }} large autofocus
          onPick={(word) => go("neighbors", { ...kept, word })} />
        <SpaceChoice spaces={spaces} space={space}
          onChange={(space) => go("neighbors", { ...kept, word, space })} />
      </div>
      <Result asked={asked} hint="Type a word." suggest={(word) => link("neighbors", { ...kept, word })}>
        {(answer) => (
          <section class="card">
            <h2>
              {answer.word} <small>{times(answer.count)}</small>
            </h2>
            <Ranked label={`Neighbors of ${answer.word}`} items={answer.neighbors}
              href={(word) => link("neighbors", { ...kept, word })} />
          </section>
        )}
      </Result>
    </>
  );
}

interface Sense {
  share: number;
  examples: string[][];
  neighbors: Pair[];
}

function Senses({ about, number, parameters, version }: ViewProps) {
  const word = parameters.word ?? about.models[number]!.sample;
  const kept: Record<string, number> = number ? { model: number } : {};
  const asked = useAnswer<{ word: string; count: number; senses: Sense[] }>(
    "senses", { word, model: number }, version,
  );
  return (
    <>
      <Intro title="Senses">
        The contexts of a word form groups. Each group is a sense, with neighbors of its own.
      </Intro>
      <div class="controls">
        <Combobox label="Word" value={word} completion={{ model: number }} large autofocus
          onPick={(word) => go("senses", { ...kept, word })} />
      </div>
      <Result asked={asked} hint="Type a word." suggest={(word) => link("senses", { ...kept, word })}>
        {(answer) => answer.senses.length ? (
          <div class="cards">
            {answer.senses.map((sense, i) => (
              <section class="card sense" key={i}>
                <h2>
                  Sense {i + 1} <small>{(100 * sense.share).toFixed(0)}% of occurrences</small>
                </h2>
                <div class="share" aria-hidden="true">
                  <i style={{ width: `${100 * sense.share}%` }} />
                </div>
                <Ranked compact label={`Neighbors of sense ${i + 1}`} items={sense.neighbors}
                  href={(word) => link("senses", { ...kept, word })} />
                {sense.examples.length > 0 && <h3>Examples</h3>}
                {sense.examples.map((example, k) => (
                  <blockquote key={k}>
                    {example.map((token) => token === answer.word ? <><mark>{token}</mark>{" "}</> : `${token} `)}
                  </blockquote>
                ))}
              </section>
            ))}
          </div>
        ) : (
          <p class="hint">{answer.word} occurs too rarely to have senses ({times(answer.count)}).</p>
        )}
      </Result>
    </>
  );
}

interface Token {
  token: string;
  known: boolean;
  neighbors: Pair[];
}

/** A share `a` in the address, and a function that changes it. */
function useShare(view: string, parameters: Record<string, string>): [number, (a: number) => void] {
  const given = Number(parameters.a ?? 0.8);
  const a = given >= 0 && given <= 1 ? given : 0.8;
  return [a, (a) => replace(view, { ...parameters, a })];
}

function ShareSlider({ a, onChange }: { a: number; onChange: (a: number) => void }) {
  return (
    <Slider label="Weight of the word's own vector, a" low="only the sentence" high="only the word"
      value={a} onChange={onChange} />
  );
}

function SentenceField({ text, onText }: { text: string; onText: (text: string) => void }) {
  const [typed, setTyped] = useState(text);
  useEffect(() => setTyped(text), [text]);
  useEffect(() => {
    if (typed === text) return;
    const timer = setTimeout(() => onText(typed), 250);
    return () => clearTimeout(timer);
  }, [typed]);
  return (
    <label class="sentence">
      Sentence
      <textarea rows={2} maxLength={5000} spellcheck={false} value={typed}
        onInput={(event) => setTyped(event.currentTarget.value)} />
    </label>
  );
}

function Sentence({ about, number, parameters, version }: ViewProps) {
  const text = parameters.text ?? about.models[number]!.sentence;
  const [a, setA] = useShare("sentence", { ...parameters, text });
  const asked = useAnswer<{ tokens: Token[] }>(
    "sentence", text.trim() ? { text, a, model: number } : null, version,
  );
  return (
    <>
      <Intro title="In a sentence">
        Each word gets a vector from this sentence, and unknown words do, too. Move the slider to
        see how much the sentence matters.
      </Intro>
      <div class="controls">
        <SentenceField text={text} onText={(text) => replace("sentence", { ...parameters, text })} />
        <ShareSlider a={a} onChange={setA} />
      </div>
      <Result asked={asked} hint="Type a sentence; words that the model does not know are welcome.">
        {(answer) => (
          <ol class="tokens" aria-label="Words of the sentence">
            {answer.tokens.map((token, i) => (
              <li key={i} class={token.known ? "card" : "card unknown"}>
                <h2>{token.token}</h2>
                {!token.known && <small class="badge">new word</small>}
                {token.neighbors.length ? (
                  <ol>
                    {token.neighbors.map(([name, score]) => (
                      <li key={name}>
                        <a href={link("why", { ...(number ? { model: number } : {}), text, a, position: i, other: name })}
                          title={`Why are ${token.token} and ${name} similar here?`}>{name}</a>
                        <data value={score}>{fixed(score, 2)}</data>
                      </li>
                    ))}
                  </ol>
                ) : <p>no known word near it</p>}
              </li>
            ))}
          </ol>
        )}
      </Result>
    </>
  );
}

interface WhyAnswer {
  word: string;
  known: boolean;
  other: string;
  similarity: number;
  bias: number;
  tokens: { token: string; known: boolean; relevance: number | null }[];
  relevances: Pair[];
}

function Why({ about, number, parameters, version }: ViewProps) {
  const model = about.models[number]!;
  const text = parameters.text ?? model.sentence;
  const position = Number(parameters.position ?? Math.max(0, model.sentence.split(" ").indexOf(model.sample)));
  const other = parameters.other ?? "";
  const all = { ...parameters, text, position, other };
  const [a, setA] = useShare("why", { ...parameters, text, position: String(position), other });
  const neighbors = useAnswer<{ tokens: Token[] }>("sentence", text.trim() ? { text, a, model: number } : null, version);
  const tokens = neighbors.reply?.answer.tokens ?? [];
  const chosen = tokens[Math.min(position, tokens.length - 1)];
  // until another word is chosen, the nearest one that is not in the sentence
  const inText = new Set(tokens.map(({ token }) => token));
  const nearest = chosen?.neighbors.find(([name]) => !inText.has(name)) ?? chosen?.neighbors[0];
  const target = other || nearest?.[0] || "";
  const asked = useAnswer<WhyAnswer>(
    "why",
    chosen && target ? { text, position: Math.min(position, tokens.length - 1), other: target, a, model: number } : null,
    version,
  );
  const largest = Math.max(...(asked.reply?.answer.tokens ?? []).map((t) => Math.abs(t.relevance ?? 0)), 1e-9);
  return (
    <>
      <Intro title="Why similar">
        The similarity of a word in a sentence to another word is a sum over the words around it.
      </Intro>
      <div class="controls">
        <SentenceField text={text} onText={(text) => replace("why", { ...all, text, position: 0 })} />
        <fieldset class="choice pick">
          <legend>Word in the sentence</legend>
          <div>
            {tokens.map((token, i) => (
              <label key={i}>
                <input type="radio" name="position" checked={i === Math.min(position, tokens.length - 1)}
                  onChange={() => replace("why", { ...all, position: i, other: "" })} />
                <span>{token.token}</span>
              </label>
            ))}
          </div>
        </fieldset>
        <Combobox label="Other word" value={target} completion={{ model: number }}
          onPick={(other) => replace("why", { ...all, other })} />
        <ShareSlider a={a} onChange={setA} />
      </div>
      <Result asked={neighbors.error ? { reply: null, error: neighbors.error, busy: false } : asked}
        hint="Type a sentence, and choose a word in it and another word."
        suggest={(other) => link("why", { ...all, other })}>
        {(answer) => (
          <section class="card">
            <h2>
              {answer.word} and {answer.other} <small>cosine {fixed(answer.similarity, 3)}</small>
            </h2>
            <p class="heat">
              {answer.tokens.map((token, i) => {
                const value = token.relevance;
                const strength = Math.abs(value ?? 0) / largest;
                const kind = value === null ? "subject" : !token.known ? "unseen" : value < 0 ? "negative" : "positive";
                return (
                  <span key={i} class={kind} style={{ "--strength": `${(100 * strength).toFixed(0)}%` }}>
                    {token.token}
                    <small>{value === null ? "this word" : token.known ? signed(value) : "unknown"}</small>
                  </span>
                );
              })}
            </p>
            <p class="legend">
              <span class="positive">+ makes them more similar</span>
              <span class="negative">− makes them less similar</span>
            </p>
            <Relevances label="Relevances of context words" items={[
              ...answer.relevances.slice(0, 12),
              [answer.known ? `${answer.word} itself, and what no context word explains` : "what no context word explains", answer.bias],
            ]} />
          </section>
        )}
      </Result>
    </>
  );
}

function Analogies(props: ViewProps) {
  const { number, parameters, version } = props;
  const { spaces, space, kept } = useSpace(props);
  const { first = "man", second = "king", third = "woman" } = parameters;
  const all = { ...kept, first, second, third };
  const asked = useAnswer<{ neighbors: Pair[] }>("analogy", { first, second, third, space, model: number }, version);
  return (
    <>
      <Intro title="Analogies">
        The word that is to the third as the second is to the first: the nearest one to second −
        first + third.
      </Intro>
      <div class="controls analogy">
        <Combobox label="A" value={first} completion={{ model: number }}
          onPick={(first) => go("analogies", { ...all, first })} />
        <span>is to</span>
        <Combobox label="B" value={second} completion={{ model: number }}
          onPick={(second) => go("analogies", { ...all, second })} />
        <span>as</span>
        <Combobox label="C" value={third} completion={{ model: number }}
          onPick={(third) => go("analogies", { ...all, third })} />
        <span>is to …</span>
        <SpaceChoice spaces={spaces} space={space} onChange={(space) => go("analogies", { ...all, space })} />
      </div>
      <Result asked={asked} hint="Type three words.">
        {(answer) => (
          <section class="card">
            <h2>{first} is to {second} as {third} is to …</h2>
            <Ranked label="Answers" items={answer.neighbors} href={(word) => link("neighbors", { ...kept, word })} />
          </section>
        )}
      </Result>
    </>
  );
}

function WordMap(props: ViewProps) {
  const { spaces, space, kept } = useSpace(props);
  return (
    <MapView {...props} question={{ space, model: props.number }} completion={{ model: props.number }}
      what="words" href={(word) => link("neighbors", { ...kept, word })}>
      <SpaceChoice spaces={spaces} space={space}
        onChange={(space) => go("map", { ...props.parameters, space })} />
    </MapView>
  );
}

interface Compared {
  word: string;
  lists: { known: boolean; count: number; neighbors: Pair[] }[];
  shared: string[];
  overlap: number | null;
}

function Compare(props: ViewProps) {
  const { about, parameters, version } = props;
  const word = parameters.word ?? about.models[0]!.sample;
  const spaces = about.models[0]!.spaces.filter((space) => about.models[1]!.spaces.includes(space));
  const space = spaces.includes(parameters.space ?? "") ? parameters.space! : spaces[0]!;
  const asked = useAnswer<Compared>("compare", { word, space }, version);
  return (
    <>
      <Intro title="Compare">
        The neighbors of a word in both models. Neighbors that they share are marked.
      </Intro>
      <div class="controls">
        <Combobox label="Word" value={word} completion={{}} large autofocus
          onPick={(word) => go("compare", { space, word })} />
        <SpaceChoice spaces={spaces} space={space} onChange={(space) => go("compare", { word, space })} />
      </div>
      <Result asked={asked} hint="Type a word." suggest={(word) => link("compare", { space, word })}>
        {(answer) => (
          <>
            {answer.overlap !== null && (
              <p class="fact">
                <strong>{answer.shared.length} of {answer.lists[0]!.neighbors.length}</strong> nearest
                neighbors are the same
              </p>
            )}
            <div class="cards two">
              {answer.lists.map((list, i) => (
                <section class="card" key={i}>
                  <h2>
                    {about.models[i]!.title}{" "}
                    <small>{list.known ? times(list.count) : "does not know the word"}</small>
                  </h2>
                  <Ranked label={`Neighbors in ${about.models[i]!.title}`} items={list.neighbors}
                    marked={new Set(answer.shared)} note="in both"
                    href={(word) => link("compare", { space, word })} />
                </section>
              ))}
            </div>
          </>
        )}
      </Result>
    </>
  );
}
