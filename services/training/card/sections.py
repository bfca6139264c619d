"""A card as sections of paragraphs, tables and plots, for any form of page."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

from services.training.card import words
from services.training.card.facts import Card, FeatureFacts, GroupFacts
from services.training.card.plots import Axes, bar_plot, line_plot

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
PLOTTED_FEATURES = 8
TOP_FEATURES = 15


@dataclass(frozen=True, slots=True)
class Section:
    """A heading with paragraphs, plots, and a table whose first row names the columns."""

    heading: str
    paragraphs: Sequence[str] = ()
    table: Sequence[Sequence[str]] = ()
    plots: Sequence[str] = field(default=())


def sections(card: Card) -> Iterator[Section]:
    """Yield the sections of a card in their order."""
    manifest, facts = card.manifest, card.facts
    yield Section("Model", table=_about(card))
    yield Section("Intended use", words.INTENDED_USE)
    yield Section("Limits", words.LIMITS)
    yield Section("Data", words.DATA, _data(card))
    tried = words.TRIED.format(first=_day(facts.first), last=_day(facts.last))
    yield Section(
        "Results", [tried], _rows(("metric", "value"), facts.trial), [_precision(card), _calibration(card)]
    )
    verdicts = [[each.gate, each.outcome, each.sentence] for each in card.verdicts]
    yield Section("Gates", table=[("gate", "outcome", "finding"), *verdicts])
    yield Section(
        "What it hangs on",
        [words.SHAPLEY_NOTE, words.OF_THE_TRIED],
        _features(facts.features),
        _bars(facts.features),
    )
    yield Section(
        "How scores answer",
        ["Mean score of the payments that score highest, as one feature moves.", words.OF_THE_TRIED],
        plots=_sensed(facts.features),
    )
    yield Section("Groups", [_threshold(card)], _groups(facts.groups))
    yield Section("Data protection", words.DATA_PROTECTION)
    yield Section("Libraries", table=_rows(("library", "version"), manifest.libraries))


def _about(card: Card) -> list[Sequence[str]]:
    manifest = card.manifest
    return _rows(
        ("what", "value"),
        {
            "version": manifest.version,
            "kind": f"{manifest.family} ({manifest.kind})",
            "features": f"{len(manifest.features)} of version {manifest.features_version}",
            "author": manifest.author,
        },
    )


def _data(card: Card) -> list[Sequence[str]]:
    manifest, trial = card.manifest, card.facts.trial
    undefined = {name: counts[-1] / max(sum(counts), 1) for name, counts in manifest.histograms.items()}
    sparsest = max(undefined, key=lambda name: undefined[name])
    return _rows(
        ("what", "value"),
        {
            "newest training payment": _day(manifest.created_at),
            "training payments": f"{manifest.rows}, of them {manifest.frauds} frauds",
            "genuine payments kept": f"{manifest.genuine_rate:.1%}, the prior corrected by it",
            "payments of the training days": str(sum(manifest.histograms[sparsest])),
            "feature that is undefined most often": f"{sparsest}, in {undefined[sparsest]:.1%} of them",
            "tried payments": f"{trial['test_rows']:.0f}, of them {trial['test_frauds']:.0f} frauds",
            "training set (SHA-256)": manifest.training_set,
        },
    )


def _rows(head: Sequence[str], content: object) -> list[Sequence[str]]:
    items = dict(content).items()  # type: ignore[call-overload]
    return [head, *((name, _number(value)) for name, value in items)]


def _number(value: object) -> str:
    if value is None:
        return "unknown"
    return f"{value:.4g}" if isinstance(value, float) else str(value)


def _day(time: int) -> str:
    return f"{EPOCH + timedelta(microseconds=time):%Y-%m-%d %H:%M} UTC"


def _threshold(card: Card) -> str:
    return (
        f"Flagged are scores from {card.policy['review_at']:g}. Shares with their 95% intervals; calibration "
        "is the number of frauds that the scores expect over that seen."
    )


def _precision(card: Card) -> str:
    return line_plot(Axes("Precision and recall", "recall", "precision"), card.facts.precision_recall)


def _calibration(card: Card) -> str:
    axes = Axes("Calibration", "mean score", "frauds")
    return line_plot(axes, card.facts.calibration, is_diagonal=True)


def _features(features: Sequence[FeatureFacts]) -> list[Sequence[str]]:
    head = ("feature", "median", "undefined", "permutation", "Shapley", "sensitivity")
    return [
        head,
        *(
            (
                each.name,
                _number(each.median),
                f"{each.undefined_share:.1%}",
                f"{each.permutation:.4f}",
                f"{each.shapley:.4f}",
                f"{each.sensitivity:.4f}",
            )
            for each in sorted(features, key=lambda each: -each.shapley)
        ),
    ]


def _bars(features: Sequence[FeatureFacts]) -> list[str]:
    by_title = {
        "Shapley": [(each.name, each.shapley) for each in features],
        "Permutation": [(each.name, each.permutation) for each in features],
    }
    return [
        bar_plot(title, sorted(bars, key=lambda bar: -bar[1])[:TOP_FEATURES])
        for title, bars in by_title.items()
    ]


def _sensed(features: Sequence[FeatureFacts]) -> list[str]:
    top = sorted(features, key=lambda each: -each.sensitivity)[:PLOTTED_FEATURES]
    return [_response(each) for each in top if len(each.grid) > 1]


def _response(feature: FeatureFacts) -> str:
    axes = Axes(feature.name, "value", "score", (feature.grid[0], 0.0), (feature.grid[-1], 1.0))
    return line_plot(axes, list(zip(feature.grid, feature.means, strict=True)))


def _groups(groups: Sequence[GroupFacts]) -> list[Sequence[str]]:
    head = (
        "attribute",
        "group",
        "payments",
        "frauds",
        "recall",
        "false positives",
        "precision",
        "calibration",
    )
    return [
        head,
        *(
            (
                each.attribute,
                each.group,
                str(each.payments),
                str(each.frauds),
                _share(each.recall),
                _share(each.false_positive_rate),
                _share(each.precision),
                _number(each.calibration),
            )
            for each in groups
        ),
    ]


def _share(share: list[float] | None) -> str:
    return "unknown" if share is None else f"{share[0]:.3f} [{share[1]:.3f}, {share[2]:.3f}]"
