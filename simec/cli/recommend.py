"""``simec recommend``: train, query and evaluate recommenders."""

from __future__ import annotations

import json
from enum import Enum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from corpora.cli.app import fail, report, report_warnings
from corpora.cli.options import Json, option, output_file, output_folder, takes_options
from corpora.interrupts import STOPPED, exit_status
from simec.cli.options import (
    Encoding,
    TableOptions,
    names_options,
    report_format,
    require_device,
    with_options,
)

if TYPE_CHECKING:
    from simec.recommender import BaseRecommender, Ids, Ratings, Recommender

recommend = typer.Typer(
    no_args_is_help=True,
    help="Predict ratings, and recommend items to users. Files of ratings have a user, an item and "
    "a value per line, in columns that are found by their names or else in this order. Tables of "
    "features have a header, and ids in a column named so or in the first one.",
)


class Duplicates(str, Enum):
    """How to combine several ratings of the same item by the same user."""

    last = "last"
    mean = "mean"
    error = "error"


class MissingValues(str, Enum):
    """What to do if a number is missing in a table of features."""

    error = "error"
    mean = "mean"


class Feedback(str, Enum):
    """What the values of a file are."""

    auto = "auto"
    explicit = "explicit"
    implicit = "implicit"


class Confidence(str, Enum):
    """How the weight of a pair grows with its count."""

    log = "log"
    linear = "linear"


class Method(str, Enum):
    """Recommenders of the command line."""

    factors = "factors"
    ease = "ease"
    softmax = "softmax"
    warp = "warp"
    bpr = "bpr"


class SplitBy(str, Enum):
    """How ratings are held out."""

    auto = "auto"
    ratings = "ratings"
    items = "items"
    users = "users"
    time = "time"
    leave_one_out = "leave-one-out"


class Metric(str, Enum):
    """What is optimized."""

    auto = "auto"
    rmse = "rmse"
    mae = "mae"
    ndcg = "ndcg"
    recall = "recall"
    precision = "precision"
    map = "map"
    hits = "hits"


class Side(str, Enum):
    """The side whose features explain a rating."""

    item = "item"
    user = "user"


Model = Annotated[
    Path,
    typer.Argument(metavar="MODEL", help="Model folder written by simec recommend train."),
]
TopN = Annotated[int, typer.Option("--topn", min=1, help="Number of results.")]
User = Annotated[str, typer.Argument(metavar="USER")]
Item = Annotated[str, typer.Argument(metavar="ITEM")]
MoreItems = Annotated[
    Path | None, option("Table of features of new items.", "--items", metavar="FILE")
]
MoreUsers = Annotated[
    Path | None, option("Table of features of new users.", "--users", metavar="FILE")
]

MethodOption = Annotated[
    Method,
    option(
        "factors: embeddings of users and items; ease: a linear map between items, for counts "
        "and clicks, which uses times; softmax, warp, bpr: embeddings that are trained to rank."
    ),
]
FeedbackOption = Annotated[
    Feedback,
    option("Whether values are ratings (explicit) or counts (implicit); auto: as they look."),
]
Liked = Annotated[
    float | None,
    option(
        "Treat ratings of at least this value as clicks, and ignore lower ones.",
        show_default="use values as they are",
    ),
]
Missing = Annotated[
    MissingValues,
    option(
        "What to do if a number is missing in a table of features: report it as an error, or use "
        "the mean of its column.",
        panel="Reading tables",
    ),
]


@recommend.command()
@names_options
@takes_options(TableOptions, "table")
def train(
    ratings: Annotated[Path, typer.Argument(metavar="RATINGS", help="File of ratings.")],
    out: Annotated[
        Path,
        output_folder(
            "Folder to write the model to.", "--out", kind="simec.Recommender", metavar="MODEL"
        ),
    ],
    table: TableOptions,
    items: Annotated[
        Path | None,
        option("Table of item features; allows recommending new items.", metavar="FILE"),
    ] = None,
    users: Annotated[
        Path | None,
        option("Table of user features; allows recommendations to new users.", metavar="FILE"),
    ] = None,
    implicit: Annotated[
        bool,
        typer.Option(
            "--implicit",
            help="Values are counts; missing pairs are weak negatives: --feedback implicit.",
        ),
    ] = False,
    feedback: FeedbackOption = Feedback.auto,
    alpha: Annotated[
        float, option("With counts: weight of a pair's count; missing pairs have 1.", min=0)
    ] = 5.0,
    confidence: Annotated[
        Confidence, option("With counts: how the weight of a pair grows with its count.")
    ] = Confidence.log,
    method: MethodOption = Method.factors,
    liked: Liked = None,
    dimensions: Annotated[
        int | None, option("Length of the embeddings.", min=1, show_default="20; 64 for ranking")
    ] = None,
    hidden: Annotated[
        list[int] | None,
        option("Units of a hidden layer between features and embeddings; repeat for more layers."),
    ] = None,
    l2: Annotated[
        float | None, option("Penalty on squared weights.", show_default="automatic")
    ] = None,
    id_feature_scale: Annotated[
        float,
        option(
            "With features: how much embeddings may deviate from those predicted by features; "
            "0: not at all.",
            min=0,
        ),
    ] = 1.0,
    duplicates: Annotated[
        Duplicates,
        option("Rating to use if a user rated an item more than once; error: refuse the file."),
    ] = Duplicates.last,
    epochs: Annotated[
        int, option("Maximum number of epochs; only used with --hidden.", min=1)
    ] = 200,
    device: Annotated[str, option("cpu, cuda, or auto: a GPU if available.")] = "auto",
    seed: Annotated[int, option("Random seed: the same seed gives the same model.")] = 1,
    progress: Annotated[
        bool, typer.Option("--progress/--no-progress", help="Show progress bars.")
    ] = True,
    missing: Missing = MissingValues.error,
    own: Annotated[float | None, typer.Option("--own", min=0, hidden=True)] = None,
) -> None:
    """Train a recommender on ratings.

    \b
      simec recommend train ratings.dat --out movies.model
      simec recommend train ratings.csv --items movies.csv --out movies.model
      simec recommend train log.csv --columns reader,book,stars --out books.model
    """  # noqa: D301
    from simec.recommender import Recommender, read_features, read_ratings

    if method is not Method.factors and (items or users or hidden):
        fail(f"--method {method.value} takes no features: leave out --items, --users and --hidden")
    require_device(device)
    if own is not None:
        report("--own is deprecated, use --id-feature-scale")
        id_feature_scale = own
    recommender: Any = _ranking_recommender(method, dimensions, l2, seed, progress) or Recommender(
        dimensions or 20, hidden_layers=tuple(hidden or ()), l2="auto" if l2 is None else l2,
        id_feature_scale=id_feature_scale, feedback="implicit" if implicit else feedback.value,
        alpha=alpha, confidence=confidence.value,
        max_iter=epochs, device=device, random_state=seed, verbose=progress,
    )  # fmt: skip
    features = {
        f"{kind}_features": None if path is None else
        read_features(
            path, kind, missing=missing.value, encoding=table.encoding, max_ratio=table.max_ratio
        )
        for kind, path in (("item", items), ("user", users))
    }  # fmt: skip
    status = 0
    with report_warnings(with_options):
        read = read_ratings(ratings, duplicates=duplicates.value, **table.keywords())
        for part in (read, *features.values()):
            if part is not None:
                typer.echo(f"{'read':13} {part.format}")
        if liked is not None:
            read = _liked(read, liked)
        try:
            recommender.fit(read, **features)
        except STOPPED as error:
            status = exit_status(error)
            if not hasattr(recommender, "item_vectors_"):
                fail("interrupted before training produced a model; nothing was saved", status)
    recommender.save(out)
    summary = {
        "users": f"{len(read.users):,}", "items": f"{len(read.items):,}",
        "ratings": f"{len(read):,}",
        "feedback": "implicit" if recommender.range_ is None else "explicit",
    }  # fmt: skip
    for name, part in features.items():
        if part is not None:
            summary[name.replace("_", " ")] = f"{part.n_features:,}"
    summary["saved"] = str(out)
    for name, value in summary.items():
        typer.echo(f"{name:13} {value}")
    if status:
        fail(f"interrupted; saved to {out}", status)


def _ranking_recommender(
    method: Method, dimensions: int | None, l2: float | None, seed: int, progress: bool
) -> BaseRecommender | None:
    """A recommender for implicit feedback alone; None for `Recommender`."""
    from simec.recommender import EASE, RankingRecommender

    if method is Method.factors:
        return None
    penalty: dict[str, Any] = {} if l2 is None else {"l2": l2}
    if method is Method.ease:
        return EASE(**penalty)
    return RankingRecommender(
        dimensions or 64, loss=method.value, random_state=seed, verbose=progress, **penalty
    )


def _liked(read: Ratings, at_least: float) -> Ratings:
    """Ratings of at least a value as clicks, with the format of their file."""
    liked = read.liked(at_least)
    liked.format = read.format
    return liked


@recommend.command()
@names_options
@takes_options(TableOptions, "table")
def tune(
    ratings: Annotated[Path, typer.Argument(metavar="RATINGS", help="File of ratings.")],
    out: Annotated[
        Path,
        output_folder(
            "Folder to write the best model to.",
            "--out",
            kind="simec.Recommender",
            metavar="MODEL",
        ),
    ],
    table: TableOptions,
    method: MethodOption = Method.factors,
    feedback: FeedbackOption = Feedback.auto,
    liked: Liked = None,
    metric: Annotated[
        Metric, option("What to optimize; auto: rmse for ratings, ndcg for counts and clicks.")
    ] = Metric.auto,
    by: Annotated[
        SplitBy, option("How ratings are held out; auto: the latest ones if there are times.")
    ] = SplitBy.auto,
    minutes: Annotated[float, option("Time for the search.", min=0)] = 10,
    settings: Annotated[int, option("Number of settings to try.", min=1)] = 9,
    splits: Annotated[int, option("Number of splits in the last round.", min=1)] = 3,
    results: Annotated[
        Path | None,
        output_file("Write the results to this file, JSON or CSV.", "--table", metavar="FILE"),
    ] = None,
    device: Annotated[str, option("cpu, cuda, or auto: a GPU if available.")] = "auto",
    seed: Annotated[int, option("Random seed.")] = 1,
) -> None:
    """Search for the best parameters on held-out ratings; fit the model with them.

    \b
      simec recommend tune ratings.csv --out movies.model --minutes 5 --table settings.csv
      simec recommend tune plays.csv --method ease --out tracks.model
    """  # noqa: D301
    from simec.recommender import Recommender, read_ratings
    from simec.recommender import tune as search

    require_device(device)
    with report_warnings(with_options):
        read = read_ratings(ratings, **table.keywords())
        report_format(read.format)
        if liked is not None:
            read = _liked(read, liked)
        recommender = _ranking_recommender(method, None, None, seed, False) or Recommender(
            feedback=feedback.value, device=device, random_state=seed
        )
        found = search(
            recommender, read, metric=metric.value, by=by.value, minutes=minutes,
            n_settings=settings, n_splits=splits, random_state=seed, table=results,
        )  # fmt: skip
    found.recommender.save(out)
    typer.echo(str(found))
    typer.echo(f"{'best':13} {json.dumps(found.best) if found.best else 'the defaults'}")
    typer.echo(f"{'saved':13} {out}")


@recommend.command("for")
@names_options
def for_user(
    model: Model,
    user: User,
    topn: TopN = 10,
    seen: Annotated[
        bool, typer.Option("--seen", help="Include items that the user has rated.")
    ] = False,
    items: MoreItems = None,
    users: MoreUsers = None,
    average: Annotated[
        bool,
        typer.Option("--average", help="Recommend to an unknown user by averages, and don't fail."),
    ] = False,
    missing: Missing = MissingValues.error,
    encoding: Encoding = "utf-8",
    as_json: Json = False,
) -> None:
    """List the items with the highest predicted ratings for a user.

    \b
      simec recommend for movies.model 1
      simec recommend for movies.model 1 --items new-movies.csv
    """  # noqa: D301
    recommender = _load(model)
    recommended = recommender.recommend(
        _as_id(user, recommender.ratings_.users), topn, exclude_seen=not seen,
        unknown="average" if average else "error",
        **_features(items, users, missing, encoding, not as_json),
    )  # fmt: skip
    if not recommended and not as_json:
        report(f"{user!r} has rated all items: pass --seen to include them")
    _print_items(recommended, as_json)


@recommend.command()
@names_options
def similar(
    model: Model,
    item: Item,
    topn: TopN = 10,
    items: MoreItems = None,
    missing: Missing = MissingValues.error,
    encoding: Encoding = "utf-8",
    as_json: Json = False,
) -> None:
    """List the items most similar to an item, by the ratings of users.

    \b
      simec recommend similar movies.model 260
    """  # noqa: D301
    recommender = _load(model)
    features = _features(items, None, missing, encoding, not as_json)
    item_id = _as_id(item, recommender.ratings_.items)
    _print_items(recommender.similar_items(item_id, topn, **features), as_json)


@recommend.command()
@names_options
def predict(
    model: Model,
    user: User,
    item: Item,
    items: MoreItems = None,
    users: MoreUsers = None,
    average: Annotated[
        bool,
        typer.Option(
            "--average",
            help="Use averages for unknown users and items without features, instead of failing.",
        ),
    ] = False,
    missing: Missing = MissingValues.error,
    encoding: Encoding = "utf-8",
) -> None:
    """Predict one rating.

    \b
      simec recommend predict movies.model 1 260
    """  # noqa: D301
    recommender = _load(model)
    pair = _as_id(user, recommender.ratings_.users), _as_id(item, recommender.ratings_.items)
    rating = recommender.predict(
        *pair, unknown="average" if average else "error",
        **_features(items, users, missing, encoding, False),
    )  # fmt: skip
    typer.echo(f"{rating[0]:.4f}")


@recommend.command()
@names_options
def explain(
    model: Model,
    user: User,
    item: Item,
    topn: TopN = 10,
    by: Annotated[
        Side | None,
        option("Explain by features of the item or user.", show_default="item, if it has any"),
    ] = None,
    html: Annotated[
        Path | None,
        output_file("Write an HTML page with a plot to this file.", "--html", metavar="FILE"),
    ] = None,
    items: MoreItems = None,
    users: MoreUsers = None,
    missing: Missing = MissingValues.error,
    encoding: Encoding = "utf-8",
    as_json: Json = False,
) -> None:
    """List the features with the largest effect on a predicted rating.

    \b
      simec recommend explain movies.model 1 260
    """  # noqa: D301
    from simec.recommender import Recommender

    recommender: Recommender = Recommender.load(model)
    explanation = recommender.explain(
        _as_id(user, recommender.ratings_.users), _as_id(item, recommender.ratings_.items),
        by=None if by is None else by.value,
        **_features(items, users, missing, encoding, not as_json),
    )  # fmt: skip
    if html is not None:
        explanation.to_html(html)
    if as_json:
        features = dict(explanation.top(topn))
        typer.echo(json.dumps(
            {"value": explanation.value, "bias": explanation.bias, "features": features},
            ensure_ascii=False,
        ))  # fmt: skip
        return
    typer.echo(f"{explanation.value:9.4f}  predicted\n{explanation.bias:9.4f}  without features")
    for name, relevance in explanation.top(topn):
        typer.echo(f"{relevance:+9.4f}  {name}")


@recommend.command()
@names_options
@takes_options(TableOptions, "table")
def evaluate(
    model: Model,
    ratings: Annotated[Path, typer.Argument(metavar="RATINGS", help="File of held-out ratings.")],
    table: TableOptions,
    topn: TopN = 10,
    relevant: Annotated[
        float | None,
        option("Lowest rating that counts as relevant.", show_default="all"),
    ] = None,
    items: MoreItems = None,
    users: MoreUsers = None,
    missing: Missing = MissingValues.error,
    as_json: Json = False,
) -> None:
    """Evaluate predictions and recommendations on held-out ratings.

    \b
      simec recommend evaluate movies.model test.dat --relevant 4
    """  # noqa: D301
    from simec.recommender import evaluate as evaluate_ratings
    from simec.recommender import read_ratings

    recommender = _load(model)
    with report_warnings(with_options):
        read = read_ratings(ratings, **table.keywords())
        features = _features(items, users, missing, table.encoding, not as_json)
        metrics = evaluate_ratings(
            recommender, read, topn, relevant=relevant, unknown="average", **features
        )
    if not as_json:
        report_format(read.format)
    if as_json:
        typer.echo(json.dumps(metrics))
        return
    at_n = "precision", "recall", "ndcg", "map", "hits", "coverage", "popularity"
    for name, value in metrics.items():
        label = f"{name}@{topn}" if name in at_n else name
        typer.echo(f"{label:13} {value:,.4f}" if name != "users" else f"{label:13} {value:,.0f}")


def _load(path: Path) -> BaseRecommender:
    from simec.recommender import BaseRecommender

    return BaseRecommender.load(path)


def _features(
    items: Path | None, users: Path | None, missing: MissingValues, encoding: str, shown: bool
) -> dict[str, Any]:
    from simec.recommender import read_features

    found = {}
    for kind, path in (("item", items), ("user", users)):
        if path is not None:
            features = read_features(
                path, kind, min_count=1, missing=missing.value, encoding=encoding
            )
            if shown:
                report_format(features.format)
            found[f"{kind}_features"] = features
    return found


def _as_id(text: str, ids: Ids) -> Any:
    """Convert an id to the type of the ids in the model."""
    if ids.are_texts:
        return text
    try:
        return int(text)
    except ValueError:
        fail(f"{ids.kind} {text!r} is not in the model, whose {ids.kind} ids are integers")


def _print_items(items: list[tuple[Any, float]], as_json: bool) -> None:
    if as_json:
        pairs = [{"item": item, "score": score} for item, score in items]
        typer.echo(json.dumps(pairs, ensure_ascii=False))
        return
    for item, score in items:
        typer.echo(f"{score:9.4f}  {item}")
