"""What the benches with processes rest on: the order of batches sealed beforehand, and the notes of a node."""

from pathlib import Path

import pytest

from sps.chain.batch import check_batch, digest
from sps.chain.execution import execute, new_state
from sps.chain.genesis import Genesis, chain_id
from sps.chain.header import Header, ref_of
from sps.chain.receipt import OK
from sps_cli.benches.sealed import STAGE_ROLES, Sealed, Sealers
from sps_cli.benches.validator_processes import Notes
from sps_cli.benches.watched_node import NOTE, Done
from sps_cli.state_folder import PRODUCERS, Servers, StateFolder

ZERO = bytes(32)


@pytest.fixture
def folder(tmp_path: Path):
    folder = StateFolder(tmp_path / "state")
    folder.open(any_ports=True, servers=Servers("sqlite:///nowhere"))
    yield folder
    folder.close()


def test_every_batch_stands_behind_the_one_it_builds_on(folder: StateFolder) -> None:
    order = Sealers(folder).lives(groups=5, size=2, apart=3)
    places = {sealed.name: place for place, sealed in enumerate(order)}
    assert len(order) == 5 * len(STAGE_ROLES)
    assert sum(sealed.after is None for sealed in order) == 5
    assert all(places[each.after] < places[each.name] for each in order if each.after is not None)


def test_between_two_stages_of_a_group_other_groups_have_their_turn(folder: StateFolder) -> None:
    order = Sealers(folder).lives(groups=8, size=1, apart=4)
    places = {sealed.name: place for place, sealed in enumerate(order)}
    gaps = [place - places[each.after] for place, each in enumerate(order) if each.after is not None]
    assert min(gaps) >= 4


def test_batches_made_at_different_times_form_one_chain_of_their_producer(folder: StateFolder) -> None:
    sealers = Sealers(folder)
    made = [*sealers.singles(3), *sealers.lives(groups=2, size=2, apart=1)]
    chain, keys = chain_id(folder.genesis_path.read_bytes()), _keys(folder.genesis())
    newest: dict[int, tuple[int, bytes]] = {}
    for sealed in made:
        header = sealed.batch.header
        check_batch(sealed.batch, keys[header.producer_id], chain)
        assert (header.seq - 1, header.prev_digest) == newest.get(header.producer_id, (0, ZERO))
        newest[header.producer_id] = (header.seq, digest(header))
    assert len(newest) == len({role for _, _, role in PRODUCERS} & set(STAGE_ROLES))


def test_no_transaction_of_the_work_is_refused(folder: StateFolder) -> None:
    sealers, state = Sealers(folder), new_state(folder.genesis())
    for sealed in [*sealers.singles(1), *sealers.lives(groups=2, size=3, apart=1)]:
        receipts = execute(
            state, _header(sealed, state.height + 1), [ref_of(sealed.batch.header)], [sealed.batch]
        )
        assert {receipt.code for receipt in receipts} == {OK}


def test_a_note_that_is_half_written_is_read_when_it_is_whole(tmp_path: Path) -> None:
    path = tmp_path / "node-0.times"
    first, second = NOTE.pack(Done.FINAL, 7, 1_000), NOTE.pack(Done.EXECUTED, 7, 2_000)
    path.write_bytes(first + second[:5])
    notes = Notes(path)
    notes.look()
    assert (notes.final_ns, notes.executed) == ({7: 1_000}, 0)
    with path.open("ab") as file:
        file.write(second[5:])
    notes.look()
    assert (notes.executed_ns, notes.executed) == ({7: 2_000}, 7)


def _keys(genesis: Genesis) -> dict[int, bytes]:
    return {producer.id: producer.key for producer in genesis.producers}


def _header(sealed: Sealed, height: int) -> Header:
    """Consensus fields are not looked at by execution; the time is that of the batch."""
    time_ms = sealed.batch.header.created_ms + height
    return Header(
        ZERO, 1, height, height, 0, 0, ZERO, time_ms, 0, ZERO, 1, 1, 0, ZERO, ZERO, ZERO, ZERO
    )  # fmt: skip
