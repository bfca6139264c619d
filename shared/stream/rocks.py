"""RocksDB as stages open it that keep a store: with little memory, however much it holds."""

from __future__ import annotations

from pathlib import Path

from rocksdict import AccessType, BlockBasedOptions, Cache, DBCompactionStyle, Options, Rdict

WRITE_BUFFER_BYTES = 4 << 20
CACHE_BYTES = 16 << 20
BLOOM_BITS = 10  # a key, for one wrong answer in a hundred
MEMTABLE_BLOOM_SHARE = 0.1


def opened(folder: Path, *families: str) -> tuple[Rdict, ...]:
    """Return the store of bytes in a folder, made where there is none, and column families of it.

    Indexes of its files lie in the cache: beside it, they would take memory for all that is kept. Most
    keys that are asked for are not there, which Bloom filters tell; and they come in no order, so that
    compaction by levels would write each record again a dozen times.
    """
    blocks = BlockBasedOptions()
    blocks.set_block_cache(Cache(CACHE_BYTES))
    blocks.set_cache_index_and_filter_blocks(True)
    blocks.set_bloom_filter(BLOOM_BITS, False)
    options = Options(raw_mode=True)
    options.create_if_missing(True)
    options.set_write_buffer_size(WRITE_BUFFER_BYTES)
    options.set_memtable_whole_key_filtering(True)
    options.set_memtable_prefix_bloom_ratio(MEMTABLE_BLOOM_SHARE)
    options.set_compaction_style(DBCompactionStyle.universal())
    options.set_block_based_table_factory(blocks)
    options.create_missing_column_families(True)
    folder.mkdir(parents=True, exist_ok=True)
    rows = Rdict(
        str(folder),
        options,
        column_families=dict.fromkeys(families, options),
        access_type=AccessType.read_write(),
    )
    return rows, *(rows.get_column_family(name) for name in families)
