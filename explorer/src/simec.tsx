// Views of encoders, recommenders and link predictors.
import { useAnswer } from "./ask";
import { MapView } from "./map";
import { Choice, Combobox, Intro, type Pair, Ranked, Relevances, Result, fixed } from "./parts";
import { go, link } from "./route";
import type { About, View, ViewProps } from "./views";

export const simecViews: Record<string, (about: About) => View[]> = {
  encoder: (about) => [
    { name: "neighbors", label: "Neighbors", Component: Neighbors },
    ...(about.models[0]!.has_features
      ? [{ name: "why", label: "Why similar", Component: WhyPoints }]
      : []),
    { name: "map", label: "Map", Component: PointMap },
  ],
  recommender: (about) => [
    { name: "recommend", label: "For a user", Component: Recommend },
    { name: "similar", label: "Similar items", Component: SimilarItems },
    ...(about.models[0]!.has_map ? [{ name: "map", label: "Map", Component: ItemMap }] : []),
  ],
  links: () => [
    { name: "links", label: "Links", Component: Links },
    { name: "neighbors", label: "Neighbors", Component: Neighbors },
    { name: "map", label: "Map", Component: PointMap },
  ],
};

/** Neighbors of a point of an encoder, or of an entity. */
function Neighbors({ about, parameters, version }: ViewProps) {
  const what = about.kind === "links" ? "Entity" : "Point";
  const point = parameters.point ?? about.models[0]!.sample;
  const asked = useAnswer<{ point: string; neighbors: Pair[] }>("neighbors", { point }, version);
  const href = (point: string) => link("neighbors", { point });
  return (
    <>
      <Intro title="Neighbors">
        {about.kind === "links"
          ? "The entities with the most similar embeddings, by their cosine."
          : "The points with the highest similarity, the scalar product of their embeddings."}
      </Intro>
      <div class="controls">
        <Combobox label={what} value={point} completion={{}} large autofocus
          onPick={(point) => go("neighbors", { point })} />
      </div>
      <Result asked={asked} hint="Type an id." suggest={href}>
        {(answer) => (
          <section class="card">
            <h2>
              {answer.point}
              {about.models[0]!.has_features && answer.neighbors.length > 0 && (
                <small>
                  <a class="more" href={link("why", { first: answer.point, second: answer.neighbors[0]![0] })}>
                    Why is {answer.neighbors[0]![0]} similar?
                  </a>
                </small>
              )}
            </h2>
            <Ranked label={`Neighbors of ${answer.point}`} items={answer.neighbors} href={href} />
          </section>
        )}
      </Result>
    </>
  );
}

interface WhyAnswer {
  similarity: number;
  points: { point: string; bias: number; relevances: Pair[] }[];
}

function WhyPoints({ about, parameters, version }: ViewProps) {
  const first = parameters.first ?? about.models[0]!.sample;
  const nearest = useAnswer<{ neighbors: Pair[] }>("neighbors", { point: first }, version);
  const second = parameters.second ?? nearest.reply?.answer.neighbors[0]?.[0] ?? "";
  const asked = useAnswer<WhyAnswer>("why", second ? { first, second } : null, version);
  return (
    <>
      <Intro title="Why similar">
        The similarity of two points is a sum over the features of either one.
      </Intro>
      <div class="controls">
        <Combobox label="First point" value={first} completion={{}}
          onPick={(first) => go("why", { first, second })} />
        <Combobox label="Second point" value={second} completion={{}}
          onPick={(second) => go("why", { first, second })} />
      </div>
      <Result asked={nearest.error ? { reply: null, error: nearest.error, busy: false } : asked}
        hint="Choose two points." suggest={(name) => link("why", nearest.error ? { first: name } : { first, second: name })}>
        {(answer) => (
          <>
            <p class="fact">Similarity <strong>{fixed(answer.similarity, 3)}</strong></p>
            <div class="cards two">
              {answer.points.map((point, i) => (
                <section class="card" key={i}>
                  <h2>Features of {point.point}</h2>
                  <Relevances label={`Relevances of the features of ${point.point}`}
                    items={Math.abs(point.bias) > 1e-5 ? [...point.relevances, ["what no feature explains", point.bias]] : point.relevances} />
                </section>
              ))}
            </div>
          </>
        )}
      </Result>
    </>
  );
}

interface Recommended {
  user: string;
  items: Pair[];
  rated: Pair[];
  n_rated: number;
}

interface Reasons {
  item: string;
  rating: number;
  similar: [string, number, number][];
  bias?: number;
  relevances?: Pair[];
}

function Recommend({ about, parameters, version }: ViewProps) {
  const user = parameters.user ?? String(about.models[0]!.user);
  const seen = parameters.seen === "1";
  const kept = { user, ...(seen ? { seen: 1 } : {}) };
  const asked = useAnswer<Recommended>("recommend", { user, seen }, version);
  const item = parameters.item ?? asked.reply?.answer.items[0]?.[0] ?? "";
  const isOfUser = asked.reply?.answer.user === user;
  const reasons = useAnswer<Reasons>("reasons", item && isOfUser ? { user, item } : null, version);
  return (
    <>
      <Intro title="For a user">
        The items with the highest predicted ratings. Choose one of them to see why.
      </Intro>
      <div class="controls">
        <Combobox label="User" value={user} completion={{ what: "user" }} large autofocus
          onPick={(user) => go("recommend", { user })} />
        <Choice label="Items" value={seen ? "1" : "0"}
          options={[{ value: "0", label: "new to the user" }, { value: "1", label: "all" }]}
          onChange={(seen) => go("recommend", { user, seen })} />
      </div>
      <Result asked={asked} hint="Type a user." suggest={(user) => link("recommend", { user })}>
        {(answer) => (
          <div class="cards two">
            <section class="card">
              <h2>Recommended to {answer.user}</h2>
              {answer.items.length ? (
                <Ranked label={`Recommended to ${answer.user}`} items={answer.items}
                  current={item} href={(item) => link("recommend", { ...kept, item })} />
              ) : <p class="hint">This user has rated all items.</p>}
              <h3>Rated by {answer.user}: the highest of {answer.n_rated}</h3>
              <Ranked compact label={`Rated by ${answer.user}`} items={answer.rated.slice(0, 8)}
                href={(item) => link("similar", { item })} />
            </section>
            <section class="card" aria-live="polite">
              <Result asked={reasons} hint="Choose an item to see why it is recommended.">
                {(why) => (
                  <>
                    <h2>Why {why.item} <small>predicted rating {fixed(why.rating, 2)}</small></h2>
                    {why.relevances && (
                      <>
                        <h3>Its features</h3>
                        <Relevances label="Relevances of features" items={[
                          ...why.relevances, ["what no feature explains", why.bias ?? 0],
                        ]} />
                      </>
                    )}
                    <h3>Similar items that the user rated</h3>
                    {why.similar.length ? (
                      <ol class="ranked reasons" aria-label="Similar items that the user rated">
                        {why.similar.map(([name, similarity, rating]) => (
                          <li key={name}>
                            <a href={link("similar", { item: name })}>{name}</a>
                            <data value={similarity}>cosine {fixed(similarity, 2)}</data>
                            <data value={rating}>rated {rating}</data>
                          </li>
                        ))}
                      </ol>
                    ) : <p class="hint">None is similar.</p>}
                  </>
                )}
              </Result>
            </section>
          </div>
        )}
      </Result>
    </>
  );
}

function SimilarItems({ about, parameters, version }: ViewProps) {
  const item = parameters.item ?? about.models[0]!.sample;
  const asked = useAnswer<{ item: string; neighbors: Pair[] }>("similar", { item }, version);
  const href = (item: string) => link("similar", { item });
  return (
    <>
      <Intro title="Similar items">The items that users rate alike, by the cosine of their vectors.</Intro>
      <div class="controls">
        <Combobox label="Item" value={item} completion={{ what: "item" }} large autofocus
          onPick={(item) => go("similar", { item })} />
      </div>
      <Result asked={asked} hint="Type an item." suggest={href}>
        {(answer) => (
          <section class="card">
            <h2>{answer.item}</h2>
            <Ranked label={`Items similar to ${answer.item}`} items={answer.neighbors} href={href} />
          </section>
        )}
      </Result>
    </>
  );
}

interface Predicted {
  links: { rank: number; entity: string; score: number; known: boolean }[];
}

function Links({ about, parameters, version }: ViewProps) {
  const relations = about.models[0]!.relations as string[];
  const { entity = about.models[0]!.sample, relation = relations[0]!, direction = "tail" } = parameters;
  const all = { entity, relation, direction };
  const asked = useAnswer<Predicted>("predict", { entity, relation, direction }, version);
  const title = direction === "tail" ? `${entity} · ${relation} · ?` : `? · ${relation} · ${entity}`;
  return (
    <>
      <Intro title="Links">
        The most likely entities at the other end of a link. Links of the training data are marked.
      </Intro>
      <div class="controls">
        <Combobox label="Entity" value={entity} completion={{ what: "entity" }} autofocus
          onPick={(entity) => go("links", { ...all, entity })} />
        <Combobox label="Relation" value={relation} completion={{ what: "relation" }}
          onPick={(relation) => go("links", { ...all, relation })} />
        <Choice label="Direction" value={direction}
          options={[{ value: "tail", label: "entity is the head" }, { value: "head", label: "entity is the tail" }]}
          onChange={(direction) => go("links", { ...all, direction })} />
      </div>
      <Result asked={asked} hint="Type an entity and a relation."
        suggest={(name) => link("links", relations.includes(name) ? { ...all, relation: name } : { ...all, entity: name })}>
        {(answer) => (
          <section class="card">
            <h2>{title}</h2>
            <Ranked label="Predicted links" ranks note="known link"
              items={answer.links.map((link) => [link.entity, link.score])}
              marked={new Set(answer.links.filter((link) => link.known).map((link) => link.entity))}
              href={(entity) => link("links", { ...all, entity })} />
          </section>
        )}
      </Result>
    </>
  );
}

function PointMap(props: ViewProps) {
  const what = props.about.kind === "links" ? "entities" : "points";
  return (
    <MapView {...props} question={{}} completion={{}} what={what}
      href={(point) => link("neighbors", { point })} />
  );
}

function ItemMap(props: ViewProps) {
  return (
    <MapView {...props} question={{}} completion={{ what: "item" }} what="items"
      href={(item) => link("similar", { item })} />
  );
}
