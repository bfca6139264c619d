"""Names under which sketches count the values of categorical fields, within bounds."""

from __future__ import annotations

from collections.abc import Collection

CATEGORICAL = ("currency", "channel", "merchant_category", "country")
MOST_NAMES = 1000
"""In one summary, of all fields together: above the merchant categories and countries that there are."""
SEPARATOR = "="


def category(field: str, value: str = "") -> str:
    """Return the name of a value of a field; without a value that of all others, which are not told apart.

    Examples
    --------
    >>> category("country", "DE"), category("country")
    ('country=DE', 'country=')
    """
    return f"{field}{SEPARATOR}{value}"


def parted(name: str) -> tuple[str, str] | None:
    """Return field and value of the name of a category, the value "" for others; None for another name.

    Examples
    --------
    >>> parted("country=DE"), parted("repeat")
    (('country', 'DE'), None)
    """
    field, separator, value = name.partition(SEPARATOR)
    return (field, value) if separator else None


def bounded(name: str, known: Collection[str]) -> str:
    """Return the name that a category counts under: one too many is among the others of its field.

    Any other name stays what it is. With fewer categories than `MOST_NAMES` counts do not depend on the
    order in which they come.
    """
    found = parted(name)
    if found is None or len(known) < MOST_NAMES or name in known:
        return name
    return category(found[0])
