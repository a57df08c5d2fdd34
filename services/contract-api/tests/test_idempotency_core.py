import pytest

from contract_api.core.idempotency import KEY_MAX, fingerprint, valid_key, verdict


@pytest.mark.parametrize("key", ["k", "a-b_c.d:e", "x" * KEY_MAX, "!", "~"])
def test_visible_ascii_is_a_key(key):
    assert valid_key(key)


@pytest.mark.parametrize("key", ["", "x" * (KEY_MAX + 1), "a b", "a\n", "ä", "\x7f", "\t"])
def test_anything_else_is_no_key(key):
    assert not valid_key(key)


def test_the_order_of_members_does_not_change_the_fingerprint():
    assert fingerprint("POST", "/r", {"a": 1, "b": [2]}) == fingerprint("POST", "/r", {"b": [2], "a": 1})


@pytest.mark.parametrize(
    "other",
    [("PUT", "/r", {"a": 1}), ("POST", "/s", {"a": 1}), ("POST", "/r", {"a": 2}), ("POST", "/r", {"a": "1"})],
)
def test_method_route_and_body_are_all_part_of_the_fingerprint(other):
    assert fingerprint("POST", "/r", {"a": 1}) != fingerprint(*other)


@pytest.mark.parametrize(
    ("known", "done", "expected"),
    [
        (None, False, "new"),
        ("p", True, "replay"),
        ("p", False, "running"),
        ("q", True, "other_request"),
        ("q", False, "other_request"),
    ],
)
def test_what_a_repeat_is_answered_follows_from_what_is_known(known, done, expected):
    assert verdict(known, "p", done) == expected
