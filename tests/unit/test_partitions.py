import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.stream import partitions

# Apache Kafka, clients/src/test/java/org/apache/kafka/common/utils/UtilsTest.java, testMurmur2
FROM_KAFKA = [
    (b"21", -973932308),
    (b"foobar", -790332482),
    (b"a-little-bit-long-string", -985981536),
    (b"a-little-bit-longer-string", -1486304829),
    (b"lkjh234lh9fiuh90y23oiuhsafujhadof229phr9h19h89h8", -58897971),
    (b"abc", 479470107),
]
COUNTS = (1, 3, 4, 12, 1000, 2**31 - 1)


def murmur2_by_kafkas_java_line_by_line(key: bytes) -> int:
    found = 0x9747B28C ^ len(key)
    whole = len(key) & ~3
    for at in range(0, whole, 4):
        word = int.from_bytes(key[at : at + 4], "little") * 0x5BD1E995 & 0xFFFFFFFF
        word = (word ^ word >> 24) * 0x5BD1E995 & 0xFFFFFFFF
        found = found * 0x5BD1E995 & 0xFFFFFFFF ^ word
    if whole < len(key):
        found = (found ^ int.from_bytes(key[whole:], "little")) * 0x5BD1E995 & 0xFFFFFFFF
    found = (found ^ found >> 13) * 0x5BD1E995 & 0xFFFFFFFF
    return found ^ found >> 15


@pytest.mark.parametrize(("key", "hashed"), FROM_KAFKA)
@pytest.mark.parametrize("count", COUNTS)
def test_a_key_lies_where_kafkas_own_test_vectors_put_it(key: bytes, hashed: int, count: int) -> None:
    assert partitions([key], count).tolist() == [(hashed & 0x7FFFFFFF) % count]


@given(st.lists(st.binary(max_size=40), max_size=30), st.sampled_from(COUNTS))
def test_each_key_of_a_batch_lies_where_it_would_lie_alone(keys: list[bytes], count: int) -> None:
    expected = [(murmur2_by_kafkas_java_line_by_line(key) & 0x7FFFFFFF) % count for key in keys]
    assert partitions(keys, count).tolist() == expected


def test_no_partitions_is_an_error() -> None:
    with pytest.raises(ZeroDivisionError):
        partitions([b"21"], 0)
