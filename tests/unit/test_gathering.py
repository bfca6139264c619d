from shared.stream.gathering import Gathering


def test_records_gather_for_ten_times_what_the_last_batch_took() -> None:
    gathering = Gathering(most_seconds=0.5, is_patient=False)
    assert gathering.seconds_left(7.0) == 0.0
    gathering.worked(8.0, 8.03125)
    assert gathering.seconds_left(8.03125) == 0.3125
    assert gathering.seconds_left(8.34375) == 0.0


def test_records_gather_no_longer_than_the_setting_says() -> None:
    gathering = Gathering(most_seconds=0.5, is_patient=False)
    gathering.worked(8.0, 9.0)
    assert gathering.seconds_left(9.25) == 0.25


def test_where_nobody_waits_records_gather_five_times_as_long_whatever_the_batch_took() -> None:
    gathering = Gathering(most_seconds=0.5, is_patient=True)
    gathering.worked(8.0, 8.0)
    assert gathering.seconds_left(8.5) == 2.0
