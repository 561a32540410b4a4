from __future__ import annotations

import uuid

from hypothesis import given
from hypothesis import strategies as st

from utils.ids import new_id
from utils.ties import adopted_name, name_of, tied_id

names = st.text(min_size=1, max_size=48)


@given(account=names, client_id=names)
def test_a_tied_id_is_an_id_that_tells_its_name(account: str, client_id: str) -> None:
    made = tied_id(account, client_id)
    assert uuid.UUID(made).version == 7
    assert str(uuid.UUID(made)) == made
    assert new_id()[:8] >= made[:8]
    assert name_of(made) == adopted_name(account, client_id)
    assert len(name_of(made)) <= 48


def test_other_accounts_and_other_ids_have_other_names() -> None:
    made = {adopted_name(account, client) for account in ("a", "b") for client in ("1", "2")}
    assert len(made) == 4


def test_an_id_that_is_not_tied_is_its_own_name() -> None:
    made = [new_id() for _ in range(20_000)]
    assert sum(name_of(each) != each for each in made) < 40  # one in 4096, by chance
