"""`ledger note`, with a real broker and a worker."""

import json

from tests.operators.conftest import Scene, event


def test_a_note_is_one_durable_entry_however_often_it_is_written(scene: Scene) -> None:
    """It says what was done, by whom, and stands in the history of what it is about."""
    scene.send(event("acme", "n1"))
    words = ("note", "add", "--subject", "shop", "--action", "hold", "--detail", "case 17", "--by", "ben@acme.example")
    code, out, err = scene.act(*words)
    assert code == 0, err
    assert "noted: hold of shop" in err
    again = scene.act(*words)
    assert (again[0], again[1]) == (0, out)
    assert "stands in the log already" in again[2]
    (row,) = scene.ask("note", "list", "--subject", "shop")
    assert (row["entry"], row["account"], row["action"], row["detail"]) == (out.strip(), "acme", "hold", "case 17")
    assert (row["author"], row["interface"], row["source"]) == ("ben@acme.example", "cli", "ledger-cli")
    newest = scene.ask("history", "shop", "--account", "acme")[0]
    assert (newest["outcome"], newest["action"], newest["detail"]) == ("noted", "hold", "case 17")
    assert "noted hold" in scene("history", "shop", "--account", "acme")[1]
    assert "case 17" in scene("note", "list")[1]
    entry = scene.ask("show", out.strip())["entry"]
    assert entry["outcome"] == "noted"
    assert "ben@" not in json.dumps(entry)


def test_a_retry_by_somebody_else_is_the_same_note_and_another_detail_is_another(scene: Scene) -> None:
    """No digest of who wrote it is in its id."""
    scene.send(event("acme", "n2"))
    words = ("note", "add", "--subject", "shop", "--action", "release")
    first = scene.act(*words, "--by", "ana")
    assert scene.act(*words, "--by", "ben")[1] == first[1]
    other = scene.act(*words, "--detail", '{"until":"2027-01-01"}')
    assert other[0] == 0, other
    assert other[1] != first[1]
    details = [row["detail"] for row in scene.ask("note", "list") if row["action"] == "release"]
    assert details == [{"until": "2027-01-01"}, None]
    assert scene.act(*words, "--id", "once-more")[1] not in {first[1], other[1]}


def test_a_note_about_the_ledger_itself_has_an_account_of_its_own(scene: Scene) -> None:
    """Which no script ever has."""
    code, out, err = scene.act("note", "add", "--account", "_operators", "--subject", "topic", "--action", "moved")
    assert code == 0, err
    shard, index = map(int, out.split("/"))
    assert scene.ledger.entries()[shard][index]["account"] == "_operators"
    assert all(row["account"] != "_operators" for row in scene.ask("scripts"))


def test_what_cannot_be_a_note_is_refused_and_nothing_is_sent(scene: Scene) -> None:
    """A typing error must not register an account, and what is no text is said to be none."""
    before = scene.ledger.size()
    base = ("note", "add", "--action", "hold")
    for code, message, *words in (
        (4, "there is no account nobody", "--subject", "shop", "--account", "nobody"),
        (4, "there is no script nothing", "--subject", "nothing"),
        (2, "this cannot be a note", "--subject", "a b", "--account", "_operators"),
        (2, "--detail is not JSON", "--subject", "x", "--account", "_operators", "--detail", "{"),
        (2, "--by names nobody", "--subject", "x", "--account", "_operators", "--by", " "),
        (2, "is not text", "--subject", "x", "--account", "_operators", "--detail", "\udcff"),
        (2, "is not text", "--subject", "\udcff", "--account", "_operators"),
        (2, "is not text", "--subject", "x", "--account", "\udcff"),
    ):
        got, out, err = scene.act(*base, *words)
        assert (got, out) == (code, ""), err
        assert message in err
    assert scene.ledger.size() == before


def test_without_a_worker_or_a_broker_it_says_so(scene: Scene) -> None:
    """Exit 5: nothing is claimed that is not durable; nor is a record sent to a topic that is not the ledger's."""
    words = ("note", "add", "--account", "_operators", "--subject", "x", "--action", "late")
    code, out, err = scene(*words, "--bootstrap", "127.0.0.1:1")
    assert (code, out) == (5, "")
    twin = scene.ledger.twin(scene.root.parent / "twin", topic=scene.broker.topic(2))
    code, out, err = scene.run(
        *words, "--ledger", str(twin.root), "--bootstrap", scene.broker.bootstrap, "--wait", "0.3"
    )
    assert (code, out) == (5, ""), err
    assert "made no entry within 0.3 s" in err
    assert "is a worker running" in err
