"""What every card says about use, limits and data."""

from __future__ import annotations

INTENDED_USE = (
    "It scores card payments with a probability of fraud while they stream; a policy turns scores into "
    "approve, review or decline.",
    "Scores rank payments for people who investigate: a flagged payment has an alert with the reasons.",
)
DATA = (
    "Payments scored by the stream, with the features that were served then. A payment is a fraud by an "
    "explicit label, and genuine by one or where none came within the horizon; only days whose labels are "
    "all known are used. Frauds are all kept, genuine payments by a hash of their id.",
)
LIMITS = (
    "It knows payments like those it was trained on. Changes of behaviour or of fraud are watched by the "
    "monitor and met by a new model, not by this one.",
    "Labels come days late, and fraud that nobody reports counts as genuine.",
    "The figures are of payments that the tried model had not learned from; their intervals say how much "
    "chance is in them.",
    "It is not meant for credit decisions, for judging a person, or for payments without these features.",
)
DATA_PROTECTION = (
    "Features are amounts, times, counts and shares of a customer's and a terminal's own history. Whether an "
    "identifier, token or protected attribute is among them is told by the gate `privacy`.",
    "Ids in the training set are keyed tokens. The package holds no row of it but summaries: medians, "
    "histograms, and what a model needs to predict.",
    "Region, age band and gender are joined to compare groups, and only sums by group are kept.",
)
TRIED = (
    "The recipe was tried on payments from {first} to {last}, by a model that learned from earlier days. "
    "The packaged model is of the same recipe and learned from these days as well."
)
OF_THE_TRIED = "Told of the model of the trial, by the payments that it had not learned from."
SHAPLEY_NOTE = (
    "Shapley values are parts of the distance between a payment's score and the score of a typical payment, "
    "averaged over the payments that score highest. Permutation is the fall of average precision."
)
