from pathlib import Path

import pytest

from shared.settings import Settings, SettingsError

NOWHERE = Path("there-is-no-such-file.toml")


def test_the_environment_goes_before_the_file(tmp_path: Path) -> None:
    file = tmp_path / "millrace.toml"
    file.write_text(
        'topic_prefix = "a."\nredis_url = "redis://file"\n[kafka]\n"bootstrap.servers" = "file:1"\n'
    )
    environment = {"MILLRACE_TOPIC_PREFIX": "b.", "MILLRACE_KAFKA__SECURITY_PROTOCOL": "SSL"}
    settings = Settings.load(environment, file)
    assert settings.topic("scores.v1") == "b.scores.v1"
    assert settings.redis_url == "redis://file"
    assert settings.kafka == {"bootstrap.servers": "file:1", "security.protocol": "SSL"}


@pytest.mark.parametrize(
    ("variable", "nearest"),
    [
        ("MILLRACE_TOPIC_PREFX", "MILLRACE_TOPIC_PREFIX"),
        ("MILLRACE_STREAM__COMIT_MS", "MILLRACE_STREAM__COMMIT_MS"),
    ],
)
def test_a_misspelt_variable_is_refused_with_the_nearest_name(variable: str, nearest: str) -> None:
    with pytest.raises(SettingsError, match=f"no setting {variable}; the nearest is {nearest}"):
        Settings.load({variable: "1"}, NOWHERE)


def test_a_misspelt_name_in_the_file_is_refused_with_the_nearest_name(tmp_path: Path) -> None:
    file = tmp_path / "millrace.toml"
    file.write_text("[stream]\nmax_bach = 3\n")
    with pytest.raises(SettingsError, match=r"no setting stream.max_bach; the nearest is stream.max_batch"):
        Settings.load({}, file)


def test_a_value_that_cannot_be_is_refused_by_name() -> None:
    with pytest.raises(SettingsError, match=r"setting stream\.commit_ms"):
        Settings.load({"MILLRACE_STREAM__COMMIT_MS": "5000"}, NOWHERE)


@pytest.mark.parametrize("content", [b"[", b"\xff", b"a = " + b"9" * 5000, b"a = " + b"[" * 100_000])
def test_a_file_that_is_not_toml_is_refused(content: bytes, tmp_path: Path) -> None:
    file = tmp_path / "millrace.toml"
    file.write_bytes(content)
    with pytest.raises(SettingsError, match="cannot be read"):
        Settings.load({}, file)


def test_a_folder_where_the_file_should_be_is_refused(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match="cannot be read"):
        Settings.load({}, tmp_path)


@pytest.mark.parametrize("name", ["KAFKA", "KAFKA__", "SECRETS", "KAFKA__A__B"])
def test_a_section_of_free_keys_needs_exactly_one_key(name: str) -> None:
    with pytest.raises(SettingsError, match=r"write MILLRACE_(KAFKA|SECRETS)__<KEY>"):
        Settings.load({f"MILLRACE_{name}": "x", "MILLRACE_KAFKA__ACKS": "all"}, NOWHERE)


@pytest.mark.parametrize(
    "content", ['kafka = "hunter2"', 'redis_url = ["hunter2"]', '[secrets]\nx = ["hunter2"]']
)
def test_what_may_be_secret_is_not_in_the_message(content: str, tmp_path: Path) -> None:
    file = tmp_path / "millrace.toml"
    file.write_text(content)
    with pytest.raises(SettingsError, match=r"setting (kafka|redis_url|secrets)") as caught:
        Settings.load({}, file)
    assert "hunter2" not in str(caught.value)


def test_a_message_is_one_short_line_and_keeps_the_spelling_of_what_is_allowed() -> None:
    with pytest.raises(SettingsError, match="'DEBUG'") as caught:
        Settings.load({"MILLRACE_LOG_LEVEL": "loud\n" * 1000}, NOWHERE)
    assert len(str(caught.value)) < 200
    assert str(caught.value).isprintable()


@pytest.mark.parametrize("written", ["inf", "nan", "1e30"])
def test_numbers_that_no_time_can_hold_are_refused(written: str) -> None:
    with pytest.raises(SettingsError, match=r"ingest\.future_days"):
        Settings.load({"MILLRACE_INGEST__FUTURE_DAYS": written}, NOWHERE)


def test_a_folder_of_keys_that_cannot_be_made_is_told_with_what_to_set(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(SettingsError, match="set keys_folder, or MILLRACE_SECRETS__TOKENS"):
        Settings(keys_folder=tmp_path / "file" / "keys").secret("tokens")


def test_the_address_of_redis_is_shown_without_its_password() -> None:
    assert Settings(redis_url="rediss://me:p@ss@redis:6380/0").redis_place == "rediss://redis:6380/0"
    assert Settings().redis_place == Settings().redis_url


def test_a_secret_is_made_once_and_readable_by_its_owner_only(tmp_path: Path) -> None:
    settings = Settings(keys_folder=tmp_path / "keys")
    first = settings.secret("tokens")
    assert settings.secret("tokens") == first
    assert (tmp_path / "keys" / "tokens.key").stat().st_mode & 0o777 == 0o600
    assert "secrets" not in repr(Settings(secrets={"tokens": "x"}))


def test_a_secret_of_a_wrong_length_is_refused() -> None:
    with pytest.raises(SettingsError, match="32 bytes"):
        Settings(secrets={"tokens": "c2hvcnQ="}).secret("tokens")
