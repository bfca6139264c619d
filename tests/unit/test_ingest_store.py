from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from services.ingest.store import Entries, Mark, Store

TOPIC = "transactions.raw.v1"


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    found = Store(tmp_path)
    yield found
    found.close()


def put(store: Store, name: bytes, offset: int, time: int) -> None:
    places = np.array([offset]), np.array([time]), np.array([7])
    store.put([name], Entries(*places, np.ones(1, np.bool_)))
    store.put_mark(TOPIC, offset + 1, Mark(time, 0))
    store.write()


def forget(store: Store, offset: int, before: int) -> None:
    store.forget(TOPIC, offset, before)
    store.write()


def is_known(store: Store, name: bytes) -> bool:
    return bool(store.entries([name]).offsets[0] >= 0)


def test_what_is_older_than_the_limit_is_forgotten_and_nothing_else(store: Store) -> None:
    put(store, b"old", 0, 100)
    put(store, b"new", 1, 300)
    forget(store, 2, 200)
    assert not is_known(store, b"old")
    assert is_known(store, b"new")


def test_what_comes_late_is_forgotten_though_its_time_was_passed_before(store: Store) -> None:
    put(store, b"first", 0, 300)
    forget(store, 1, 200)
    put(store, b"late", 1, 100)
    assert is_known(store, b"late")
    forget(store, 2, 200)
    assert not is_known(store, b"late")
    assert is_known(store, b"first")


def test_of_the_marks_before_an_offset_the_last_is_kept(store: Store) -> None:
    for offset in range(4):
        put(store, b"%d" % offset, offset, 100 + offset)
        forget(store, offset + 1, 0)
    assert store.mark(TOPIC, 1) is None
    assert store.mark(TOPIC, 3) == Mark(102, 0)
    assert store.mark(TOPIC, 4) == Mark(103, 0)


def test_a_store_that_is_opened_again_forgets_what_it_held(tmp_path: Path) -> None:
    before = Store(tmp_path)
    put(before, b"old", 0, 100)
    before.close()
    again = Store(tmp_path)
    forget(again, 1, 200)
    assert not is_known(again, b"old")
    again.close()
