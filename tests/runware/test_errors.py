from kling.nodes.runware import errors

UUID = "236ba4b9-e789-4ff4-8fa9-7ca57ab56210"


def test_a_message_is_bounded_and_keeps_bill_uuid_and_next_step():
    error = errors.TaskFailed("x" * 5000, billing="Not billed.", task_uuid=UUID, next_step="Run again.")
    assert len(str(error)) == errors.MESSAGE_CHARACTERS
    assert str(error).endswith(f"... Not billed. Task UUID: {UUID}. Run again.")


def test_a_wrong_value_is_shown_shortened_on_one_line():
    error = errors.InputError(
        node="KlingPrompt", field="tags", value="a\nb" * 500, rule="r" * 900 + ".", next_step="N."
    )
    assert len(str(error)) == errors.MESSAGE_CHARACTERS
    assert str(error).endswith("... N. Not billed.")
    assert "\n" not in str(error)


def test_a_value_that_stops_a_paid_film_names_its_uuid():
    error = errors.InputError(node="KlingFetchVideo", field="filename_prefix", value="x", rule="r.", next_step="N.")
    error.billing, error.task_uuid = "What was paid for is safe.", UUID
    assert str(error) == f"KlingFetchVideo, filename_prefix is 'x': r. N. What was paid for is safe. Task UUID: {UUID}."


def test_a_short_message_stands_as_it_is():
    error = errors.StorageError("No room.", next_step="Free space.")
    assert str(error) == "No room. Free space."
