"""``simec recommend``: train, ask and measure recommenders."""

from __future__ import annotations

import json
import sys
from enum import Enum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from corpora.cli.app import INTERRUPTED, fail, report_warnings
from corpora.cli.options import Json, option

if TYPE_CHECKING:
    from simec.recommender import BaseRecommender, Ids, Recommender

recommend = typer.Typer(
    no_args_is_help=True,
    help="Predict how users rate items, and recommend. Files of ratings have a user, an item and "
    "a value a line, parted by ::, tabs, semicolons or commas. Tables of features have a header, "
    "and ids in their first column.",
)


class Duplicates(str, Enum):
    """What becomes of several ratings of an item by a user."""

    last = "last"
    mean = "mean"
    error = "error"


class Side(str, Enum):
    """Whose features explain."""

    item = "item"
    user = "user"


Model = Annotated[
    Path,
    typer.Argument(metavar="MODEL", help="Folder of a model that simec recommend train wrote."),
]
TopN = Annotated[int, typer.Option("--topn", min=1, help="How many.")]
User = Annotated[str, typer.Argument(metavar="USER")]
Item = Annotated[str, typer.Argument(metavar="ITEM")]
MoreItems = Annotated[
    Path | None, option("Table of features of new items.", "--items", metavar="FILE")
]
MoreUsers = Annotated[
    Path | None, option("Table of features of new users.", "--users", metavar="FILE")
]


@recommend.command()
def train(
    ratings: Annotated[Path, typer.Argument(metavar="RATINGS", help="File of ratings.")],
    out: Annotated[Path, option("Folder to write the model to.", "--out", metavar="MODEL")],
    items: Annotated[
        Path | None,
        option("Table of features of items: new ones can be recommended, too.", metavar="FILE"),
    ] = None,
    users: Annotated[
        Path | None,
        option("Table of features of users: new ones can be recommended to.", metavar="FILE"),
    ] = None,
    implicit: Annotated[
        bool,
        typer.Option("--implicit", help="Values are counts, and what is not there means a little."),
    ] = False,
    dimensions: Annotated[int, option("Of embeddings.", min=1)] = 20,
    hidden: Annotated[
        list[int] | None,
        option("Units of a hidden layer between features and embeddings; once for each."),
    ] = None,
    l2: Annotated[
        float | None, option("What squared weights cost.", show_default="found by itself, or 15")
    ] = None,
    own: Annotated[
        float, option("How much of an embedding is not given by features; 0: nothing.", min=0)
    ] = 1.0,
    duplicates: Annotated[
        Duplicates, option("What becomes of several ratings of an item by a user.")
    ] = Duplicates.last,
    epochs: Annotated[int, option("At most, with hidden layers.", min=1)] = 200,
    device: Annotated[str, option("cpu, cuda, or auto: a GPU where there is one.")] = "auto",
    seed: Annotated[int, option("Same seed, same model.")] = 1,
    progress: Annotated[
        bool, typer.Option("--progress/--no-progress", help="Tell how far it is.")
    ] = True,
) -> None:
    """Train a recommender on ratings.

    \b
      simec recommend train ratings.dat --out movies.model
      simec recommend train ratings.csv --items movies.csv --out movies.model
    """  # noqa: D301
    from corpora.files import check_folder
    from simec.recommender import Recommender, read_features, read_ratings
    from simec.recommender.persistence import ARRAYS

    check_folder(out, marker=ARRAYS)
    recommender = Recommender(
        dimensions, hidden_layers=tuple(hidden or ()), l2="auto" if l2 is None else l2, own=own,
        feedback="implicit" if implicit else "explicit", max_iter=epochs, device=device,
        random_state=seed, verbose=progress and sys.stderr.isatty(),
    )  # fmt: skip
    features = {
        f"{what}_features": None if path is None else read_features(path, what)
        for what, path in (("item", items), ("user", users))
    }
    interrupted = False
    with report_warnings():
        read = read_ratings(ratings, duplicates=duplicates.value)
        try:
            recommender.fit(read, **features)
        except KeyboardInterrupt:
            if not hasattr(recommender, "item_vectors_"):
                fail("interrupted before there was anything to save", INTERRUPTED)
            interrupted = True
    recommender.save(out)
    rows = {"users": f"{len(read.users):,}", "items": f"{len(read.items):,}",
            "ratings": f"{len(read):,}"}  # fmt: skip
    for what, given in features.items():
        if given is not None:
            rows[what.replace("_", " ")] = f"{given.n_features:,}"
    rows["saved"] = str(out)
    for name, value in rows.items():
        typer.echo(f"{name:13} {value}")
    if interrupted:
        fail(f"interrupted; saved to {out}", INTERRUPTED)


@recommend.command("for")
def for_user(
    model: Model,
    user: User,
    n: TopN = 10,
    seen: Annotated[
        bool, typer.Option("--seen", help="Tell those too that the user has rated.")
    ] = False,
    items: MoreItems = None,
    users: MoreUsers = None,
    as_json: Json = False,
) -> None:
    """Tell what a user is predicted to rate highest.

    \b
      simec recommend for movies.model 1
      simec recommend for movies.model 1 --items new-movies.csv
    """  # noqa: D301
    recommender = _load(model)
    found = recommender.recommend(
        _as_id(user, recommender.ratings_.users), n, exclude_seen=not seen,
        **_features(items, users),
    )  # fmt: skip
    _tell(found, as_json)


@recommend.command()
def similar(
    model: Model, item: Item, n: TopN = 10, items: MoreItems = None, as_json: Json = False
) -> None:
    """Tell the items that are most like one, by what users make of them.

    \b
      simec recommend similar movies.model 260
    """  # noqa: D301
    recommender = _load(model)
    features = _features(items, None)
    found = recommender.similar_items(_as_id(item, recommender.ratings_.items), n, **features)
    _tell(found, as_json)


@recommend.command()
def predict(
    model: Model,
    user: User,
    item: Item,
    items: MoreItems = None,
    users: MoreUsers = None,
    average: Annotated[
        bool,
        typer.Option("--average", help="For unknown users and items without features, averages."),
    ] = False,
) -> None:
    """Predict one rating.

    \b
      simec recommend predict movies.model 1 260
    """  # noqa: D301
    recommender = _load(model)
    pair = _as_id(user, recommender.ratings_.users), _as_id(item, recommender.ratings_.items)
    found = recommender.predict(
        *pair, unknown="average" if average else "error", **_features(items, users)
    )
    typer.echo(f"{found[0]:.4f}")


@recommend.command()
def explain(
    model: Model,
    user: User,
    item: Item,
    n: TopN = 10,
    by: Annotated[
        Side | None, option("Whose features.", show_default="the item's, if it has some")
    ] = None,
    html: Annotated[Path | None, option("File for a page with a picture.", metavar="FILE")] = None,
    items: MoreItems = None,
    users: MoreUsers = None,
    as_json: Json = False,
) -> None:
    """Tell which features raise and lower a predicted rating.

    \b
      simec recommend explain movies.model 1 260
    """  # noqa: D301
    from simec.recommender import Recommender

    recommender: Recommender = Recommender.load(model)
    found = recommender.explain(
        _as_id(user, recommender.ratings_.users), _as_id(item, recommender.ratings_.items),
        by=None if by is None else by.value, **_features(items, users),
    )  # fmt: skip
    if html is not None:
        found.to_html(html)
    if as_json:
        typer.echo(json.dumps(
            {"value": found.value, "bias": found.bias, "features": dict(found.top(n))},
            ensure_ascii=False,
        ))  # fmt: skip
        return
    typer.echo(f"{found.value:9.4f}  predicted\n{found.bias:9.4f}  without features")
    for name, relevance in found.top(n):
        typer.echo(f"{relevance:+9.4f}  {name}")


@recommend.command()
def evaluate(
    model: Model,
    ratings: Annotated[Path, typer.Argument(metavar="RATINGS", help="File of ratings held out.")],
    n: TopN = 10,
    relevant: Annotated[
        float | None,
        option("The rating from which on an item should be recommended.", show_default="all"),
    ] = None,
    items: MoreItems = None,
    users: MoreUsers = None,
    as_json: Json = False,
) -> None:
    """Measure errors of predictions, and what recommendations find of ratings held out.

    \b
      simec recommend evaluate movies.model test.dat --relevant 4
    """  # noqa: D301
    from simec.recommender import evaluate as measure
    from simec.recommender import read_ratings

    recommender = _load(model)
    with report_warnings():
        found = measure(
            recommender, read_ratings(ratings), n, relevant=relevant, unknown="average",
            **_features(items, users),
        )  # fmt: skip
    if as_json:
        typer.echo(json.dumps(found))
        return
    for name, value in found.items():
        at = f"{name}@{n}" if name in ("precision", "recall", "ndcg", "hits") else name
        typer.echo(f"{at:13} {value:,.4f}" if name != "users" else f"{at:13} {value:,.0f}")


def _load(path: Path) -> BaseRecommender:
    from simec.recommender import BaseRecommender

    return BaseRecommender.load(path)


def _features(items: Path | None, users: Path | None) -> dict[str, Any]:
    from simec.recommender import read_features

    paths = ("item", items), ("user", users)
    return {
        f"{what}_features": read_features(path, what, min_count=1) for what, path in paths if path
    }


def _as_id(text: str, ids: Ids) -> Any:
    """An id as the model has it: a number where its are numbers."""
    if ids.values.dtype.kind == "U":
        return text
    try:
        return int(text)
    except ValueError:
        fail(f"{ids.what} {text!r} is not in the model, whose {ids.what}s are numbers")


def _tell(found: list[tuple[Any, float]], as_json: bool) -> None:
    if as_json:
        typer.echo(json.dumps([{"item": item, "score": score} for item, score in found]))
        return
    for item, score in found:
        typer.echo(f"{score:9.4f}  {item}")
